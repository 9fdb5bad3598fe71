"""What only a user of the HTTP API can meet.

AmcflowError
  Unauthenticated    no token, or one that nobody has
  BodyTooLarge       more bytes than a body may have
InvalidRequest
  BadCursor          a cursor that no page of ours gave out
ConflictError
  AlreadyFinished    it has ended, so it cannot be cancelled
  FinishedAtAmc      AMC has finished it, the result is on its way
  WithoutResult      there is no result to show
    ResultNotReady   it has not ended yet
    NoResult         it ended without a result
"""

from shared.domain.errors import AmcflowError, ConflictError, InvalidRequest
from shared.domain.states import ExecutionState


class Unauthenticated(AmcflowError):
    """The request carries no token that we know."""

    code = "unauthenticated"
    default_hint = "Send `Authorization: Bearer amc_sk_...` with a token that was made for you."


class BodyTooLarge(AmcflowError):
    """The request's body is larger than this server takes."""

    code = "body_too_large"
    default_hint = "Split the request into several smaller ones."


class BadCursor(InvalidRequest):
    """The cursor was not given out by this list."""

    code = "bad_cursor"
    default_hint = "Take next_cursor from the previous page as it is, or leave cursor out."


class AlreadyFinished(ConflictError):
    """The execution has ended already."""

    code = "already_finished"


class FinishedAtAmc(ConflictError):
    """AMC has finished the execution; its result is being stored."""

    code = "finished_at_amc"


class WithoutResult(ConflictError):
    """There is no result to show; `state` says where the execution stands."""

    code = "without_result"

    def __init__(self, state: ExecutionState) -> None:
        super().__init__(f"{self.__doc__} It is {state}.")
        self.state = state


class ResultNotReady(WithoutResult):
    """The execution has not ended yet."""

    code = "result_not_ready"
    default_hint = "Ask again later, or follow /api/v1/events."


class NoResult(WithoutResult):
    """The execution ended without a result."""

    code = "no_result"
    default_hint = "Its error says why; retry it once the cause is gone."
