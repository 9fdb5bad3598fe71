"""The life of an execution as data: its states and the only moves between them.

The database guards the same table (migration 0001); a test compares the two.
"""

from enum import StrEnum


class ExecutionState(StrEnum):
    """Waiting states are adjectives, working ones gerunds, final ones participles."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    PENDING = "pending"
    RUNNING = "running"
    DOWNLOADING = "downloading"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = ExecutionState

TRANSITIONS: dict[ExecutionState, frozenset[ExecutionState]] = {
    _S.QUEUED: frozenset({_S.SUBMITTING, _S.CANCELLED, _S.FAILED}),
    _S.SUBMITTING: frozenset({_S.PENDING, _S.QUEUED, _S.FAILED, _S.CANCELLED}),
    _S.PENDING: frozenset({_S.RUNNING, _S.DOWNLOADING, _S.FAILED, _S.CANCELLED}),
    _S.RUNNING: frozenset({_S.DOWNLOADING, _S.FAILED, _S.CANCELLED}),
    _S.DOWNLOADING: frozenset({_S.COMPLETED, _S.FAILED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
}

FINAL = frozenset(state for state, moves in TRANSITIONS.items() if not moves)

# An execution in one of these may be using one of AMC's places, so it counts against the limits.
HOLDING_A_SLOT = frozenset({_S.SUBMITTING, _S.PENDING, _S.RUNNING})

AT_AMC = frozenset({_S.PENDING, _S.RUNNING})


def may_move(old: ExecutionState, new: ExecutionState) -> bool:
    """Whether the table allows this move."""
    return new in TRANSITIONS[old]
