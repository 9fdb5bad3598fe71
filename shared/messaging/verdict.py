"""The only table from how a handler ended to what the broker is told.

ack       done, or nothing to do
park      set aside with its reason in the dead-letter queue: trying again cannot help
postpone  a timer brings the same message back, each time later, and after too many it is parked
return    back to the queue untouched, because nothing can be recorded now; consuming pauses
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from shared.domain.errors import (
    AmcflowError,
    ConflictError,
    ContractError,
    DatabaseUnavailable,
    InDoubtError,
    InvalidRequest,
    NotFound,
    PermanentError,
    TransientError,
)

_LONGEST_WAIT: Final = timedelta(minutes=5)
# With the waits above a message is tried for about 25 minutes.
DEFAULT_MAX_ATTEMPTS: Final = 12


class Action(StrEnum):
    """What the broker is told."""

    ACK = "ack"
    PARK = "park"
    POSTPONE = "postpone"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An action with its reason: the code of the error, or `ok`."""

    action: Action
    reason: str
    wait: timedelta = timedelta(0)
    is_bug: bool = False
    """Nobody expected this error: the log gets a traceback."""


def judge(
    error: Exception | None, *, attempt: int, max_attempts: int | None = DEFAULT_MAX_ATTEMPTS
) -> Verdict:
    """The verdict on a handler's end. Without `max_attempts` nothing is ever parked."""
    verdict = _first_verdict(error, attempt)
    if verdict.action is Action.PARK and max_attempts is None:
        return _postponed(verdict, attempt)
    is_last = max_attempts is not None and attempt >= max_attempts
    if verdict.action is Action.POSTPONE and is_last:
        return Verdict(Action.PARK, verdict.reason, is_bug=verdict.is_bug)
    return verdict


def _first_verdict(error: Exception | None, attempt: int) -> Verdict:
    reason = error.code if isinstance(error, AmcflowError) else "bug"
    match error:
        case None:
            verdict = Verdict(Action.ACK, "ok")
        case ConflictError() | NotFound():
            # Someone was first, or the row is gone by retention: nothing is left to do.
            verdict = Verdict(Action.ACK, reason)
        case DatabaseUnavailable():
            verdict = Verdict(Action.RETURN, reason)
        case TransientError():
            verdict = Verdict(Action.POSTPONE, reason, error.wait or backoff(attempt))
        case ContractError() | InvalidRequest():
            verdict = Verdict(Action.PARK, reason)
        case InDoubtError() | PermanentError():
            # Handlers record these on the execution. One that got here was not recorded, and
            # doing the work again could do it twice.
            verdict = Verdict(Action.PARK, reason, is_bug=True)
        case _:
            verdict = Verdict(Action.POSTPONE, reason, backoff(attempt), is_bug=True)
    return verdict


def _postponed(verdict: Verdict, attempt: int) -> Verdict:
    return Verdict(Action.POSTPONE, verdict.reason, backoff(attempt), is_bug=verdict.is_bug)


def backoff(attempt: int) -> timedelta:
    """One second after the first attempt, twice as long after each, up to a bound."""
    doublings = min(attempt - 1, 20)
    return min(timedelta(seconds=2.0**doublings), _LONGEST_WAIT)
