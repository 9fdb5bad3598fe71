"""The record of every attempt to call Amazon: who asked, what for, and how it went.

Neither tokens nor query strings are in it, so it can be kept and shown.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from shared.domain.ids import InstanceKey

INTERRUPTED: Final = "interrupted"
"""The error code of an attempt that was cancelled from outside."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One attempt; without a status there was no answer."""

    caller: str
    call: str
    instance: InstanceKey | None
    request_id: str | None
    """Amazon's x-amz-rid: what their support asks for."""
    method: str
    path: str
    status: int | None
    duration_ms: float
    error_code: str | None


class CallLog(Protocol):
    """Where records go; must not block and must not raise."""

    def record(self, call: CallRecord) -> None:
        """Take one record."""
        ...


class NoCallLog:
    """For callers that keep no record."""

    def record(self, call: CallRecord) -> None:
        """Drop it."""
