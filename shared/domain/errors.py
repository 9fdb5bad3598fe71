"""Every error amcflow raises on purpose, grouped by what happens next.

    AmcflowError
      TransientError          nothing happened yet; try again later, perhaps after a given wait
        AmcUnavailable        AMC did not answer, or answered 5xx, to a call that is safe to repeat
        AmcThrottled          AMC said 429; `wait` is what it asked for, if it did
        AmcConcurrencyReached AMC will not take one more execution on this instance now
        PermitExpired         the rate permit grew too old before the first byte left
        TurnFarOff            the instance is paused, or others have booked its next turns
        TokenExpired          there is no valid access token right now; a refresh was asked for
        InstancePaused        an operator, or a broken credential, holds this instance
        DatabaseUnavailable   Postgres is away or slow; nothing may be done that cannot be recorded
        BrokerUnavailable     RabbitMQ is away or did not confirm in time
        ResultUnavailable     the result link expired or the download broke; a new link is needed
        SpoolFull             the downloader's disk has no room now; later, or another one, may
      InDoubtError            the call may have reached AMC: never repeated, always reconciled
      PermanentError          record on the execution; done
        QueryRejected         AMC refuses the SQL or the request
        InstanceForbidden     AMC refuses these credentials for this instance
        RemoteNotFound        AMC does not know the id
        RemoteFailed          AMC says FAILED or REJECTED
        CancelledElsewhere    AMC says CANCELLED and no user of ours asked
        DeadlineExceeded      AMC did not finish within the execution's deadline
        QueueTimeout          it waited in our queue for longer than its owner allowed
        CredentialRevoked     Amazon no longer accepts the grant; somebody must authorise again
        ResultGone            AMC says it succeeded but will not give the result
        ResultMalformed       the result is not the CSV it claims to be
        ResultTooLarge        the result does not fit where it must go
        HandlerFailed         our own code failed on this command time after time
      ConflictError           someone was first; acknowledge quietly
        StaleTransition       the row is no longer in the state this move starts from
        DuplicateMessage      this was done already
      ContractError           the message is wrong; park it
        UndecodableMessage    not JSON, or not of the declared shape
        UnknownMessageType    no handler here knows this type
      InvalidRequest          what a user asked for is not possible; nothing was stored
      NotFound                the named thing does not exist

`code` is stable: it is stored, logged and shown. `hint` says what a person can do.
"""

from datetime import timedelta
from typing import ClassVar


class AmcflowError(Exception):
    """The root; `message` says what happened to which thing, `hint` what to do about it."""

    code: ClassVar[str] = "amcflow_error"
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.message = str(self)
        self.hint = self.default_hint if hint is None else hint


class TransientError(AmcflowError):
    """Nothing happened yet; try again, after `wait` if one is known."""

    code = "transient"

    def __init__(
        self, message: str = "", *, wait: timedelta | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.wait = wait


class AmcUnavailable(TransientError):
    """AMC did not answer, or answered with a server error, to a call that is safe to repeat."""

    code = "amc_unavailable"


class AmcThrottled(TransientError):
    """AMC answered 429; `wait` is what it asked for, or None."""

    code = "amc_throttled"


class AmcConcurrencyReached(TransientError):
    """AMC will not take one more execution on this instance now; `wait` if it named one."""

    code = "amc_concurrency_reached"


class PermitExpired(TransientError):
    """The rate permit grew too old before the first byte left; nothing was sent."""

    code = "permit_expired"


class TurnFarOff(TransientError):
    """No turn in the rate budget of this instance for seconds: `wait` tells how long."""

    code = "turn_far_off"


class TokenExpired(TransientError):
    """There is no valid access token right now."""

    code = "token_expired"


class InstancePaused(TransientError):
    """An operator, or a broken credential, holds this instance."""

    code = "instance_paused"


class DatabaseUnavailable(TransientError):
    """Postgres is away or did not answer in time; whether the statement ran is unknown."""

    code = "database_unavailable"


class BrokerUnavailable(TransientError):
    """RabbitMQ is away or did not confirm in time; whether it has the message is unknown."""

    code = "broker_unavailable"


class ResultUnavailable(TransientError):
    """A result link expired or a download broke off; ask AMC for new links."""

    code = "result_unavailable"


class SpoolFull(TransientError):
    """The downloader's disk has no room for a result now that it could hold when emptier."""

    code = "spool_full"
    default_hint = "Free disk space on the downloader."


class InDoubtError(AmcflowError):
    """The call may have reached AMC and had its effect; only reconciliation may go on."""

    code = "in_doubt"


class PermanentError(AmcflowError):
    """It will not get better by trying again; the execution ends here with this reason."""

    code = "permanent"


class QueryRejected(PermanentError):
    """AMC refuses the SQL or the request."""

    code = "query_rejected"
    default_hint = "Correct the workflow's SQL or the parameters as AMC's text says, then retry."


class InstanceForbidden(PermanentError):
    """AMC refuses these credentials for this instance."""

    code = "instance_forbidden"
    default_hint = (
        "Check the instance's id, its account's entity id and marketplace, and that the Amazon"
        " login behind the credential has access to that account."
    )


class RemoteNotFound(PermanentError):
    """AMC does not know the id."""

    code = "remote_not_found"


class RemoteFailed(PermanentError):
    """AMC ran the execution and reports FAILED or REJECTED."""

    code = "remote_failed"
    default_hint = "AMC's own reason is in the message; correct the cause, then retry."


class CancelledElsewhere(PermanentError):
    """Somebody cancelled the execution at AMC, outside amcflow."""

    code = "cancelled_elsewhere"
    default_hint = "Ask who uses this instance in the AMC console; retry if it was a mistake."


class DeadlineExceeded(PermanentError):
    """AMC did not finish within the execution's deadline."""

    code = "deadline_exceeded"
    default_hint = "Retry with a larger deadline_seconds, or make the query's time window smaller."


class QueueTimeout(PermanentError):
    """It waited in our queue for longer than its owner allowed."""

    code = "queue_timeout"
    default_hint = "Raise queue_timeout_seconds or the instance's limits, or ask for less at once."


class CredentialRevoked(PermanentError):
    """Amazon no longer accepts the grant."""

    code = "credential_revoked"
    default_hint = "Authorise again with Amazon and store the new refresh token in the credential."


class ResultGone(PermanentError):
    """AMC reports success but has no result to give."""

    code = "result_gone"
    default_hint = "Retry the execution; AMC keeps results for a limited time only."


class ResultMalformed(PermanentError):
    """The result is not the CSV it claims to be."""

    code = "result_malformed"
    default_hint = "Retry the execution; if it happens again, look at the query's text columns."


class ResultTooLarge(PermanentError):
    """The result does not fit where it must go."""

    code = "result_too_large"
    default_hint = "Free disk space on the downloader, or make the query return less."


class HandlerFailed(PermanentError):
    """Our own code failed on this command time after time."""

    code = "handler_failed"
    default_hint = "This is a bug in amcflow: the log has the traceback under this execution's id."


class ConflictError(AmcflowError):
    """Someone was first; nothing is left to do."""

    code = "conflict"


class StaleTransition(ConflictError):
    """The row is no longer in the state this move starts from."""

    code = "stale_transition"


class DuplicateMessage(ConflictError):
    """This was done already."""

    code = "duplicate_message"


class ContractError(AmcflowError):
    """The message breaks the contract between services."""

    code = "contract"


class UndecodableMessage(ContractError):
    """The body is not JSON or not of the declared shape."""

    code = "undecodable_message"


class UnknownMessageType(ContractError):
    """No handler here knows this type or version."""

    code = "unknown_message_type"


class FieldProblem:
    """One wrong field of a request: where it is and what is wrong with it."""

    __slots__ = ("loc", "msg")

    def __init__(self, loc: tuple[str | int, ...], msg: str) -> None:
        self.loc = loc
        self.msg = msg


class InvalidRequest(AmcflowError):
    """What was asked for is not possible; nothing was stored. `problems` names each field."""

    code = "invalid_request"

    def __init__(
        self, message: str = "", *, problems: tuple[FieldProblem, ...] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class NotFound(AmcflowError):
    """The named thing does not exist."""

    code = "not_found"
