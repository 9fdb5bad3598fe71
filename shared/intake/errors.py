"""What can be wrong with a request for executions, beyond the families of `shared.domain.errors`.

InvalidRequest
  InvalidOutputFormat   neither CSV nor PARQUET
  IdempotencyKeyReused  the key was used before, for another request
NotFound
  UnknownItems          the request names workflows or instances that do not exist
ConflictError
  NotFinished           only an execution that has ended can be retried
"""

from shared.domain.errors import ConflictError, FieldProblem, InvalidRequest, NotFound


class InvalidOutputFormat(InvalidRequest):
    """The output format is neither CSV nor PARQUET."""

    code = "invalid_output_format"
    default_hint = "Leave output_format out for CSV, or ask for PARQUET."


class IdempotencyKeyReused(InvalidRequest):
    """The Idempotency-Key was used before, for another request."""

    code = "idempotency_key_reused"
    default_hint = "Send a fresh key with each new request; repeat a key only with the same body."


class UnknownItems(NotFound):
    """The request names workflows or instances that do not exist; nothing was stored."""

    code = "unknown_items"
    default_hint = "Instances go by Amazon's id, workflows by wf_... or a UUID."

    def __init__(self, message: str, *, problems: tuple[FieldProblem, ...]) -> None:
        super().__init__(message)
        self.problems = problems


class NotFinished(ConflictError):
    """The execution has not ended yet, so there is nothing to retry."""

    code = "not_finished"
    default_hint = "Cancel it first, or wait until it is completed, failed or cancelled."
