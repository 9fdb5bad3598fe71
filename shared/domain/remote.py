"""AMC's own status words, kept apart from our states and translated in one place.

Words as seen in Amazon's specification, guides and clients; REJECTED and PUBLISHING are real
but undocumented, and a word nobody has seen counts as running until the deadline.
"""

from enum import StrEnum

from shared.domain.states import ExecutionState


class RemoteStatus(StrEnum):
    """What AMC says about an execution."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PUBLISHING = "PUBLISHING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


REMOTE_FINAL = frozenset(
    {
        RemoteStatus.SUCCEEDED,
        RemoteStatus.FAILED,
        RemoteStatus.REJECTED,
        RemoteStatus.CANCELLED,
    }
)

_STATE_OF = {
    RemoteStatus.PENDING: ExecutionState.PENDING,
    RemoteStatus.RUNNING: ExecutionState.RUNNING,
    RemoteStatus.PUBLISHING: ExecutionState.RUNNING,
    RemoteStatus.SUCCEEDED: ExecutionState.DOWNLOADING,
    RemoteStatus.FAILED: ExecutionState.FAILED,
    RemoteStatus.REJECTED: ExecutionState.FAILED,
    RemoteStatus.CANCELLED: ExecutionState.CANCELLED,
}


def state_of(status: str) -> ExecutionState:
    """Our state for AMC's word; an unknown word is RUNNING. CANCELLED still needs the question
    who asked for it (see `observe_executions` in the database)."""
    try:
        return _STATE_OF[RemoteStatus(status.upper())]
    except ValueError:
        return ExecutionState.RUNNING


def is_final(status: str) -> bool:
    """Whether AMC will never change this status again."""
    return status.upper() in REMOTE_FINAL
