"""What the repositories promise, as plain Python: a model of executions, and what a move is.

A move knows the call on the real repositories, which outcomes the model allows, and what it
changes in the model once it is committed. Admission is not modelled: who was admitted is read
from the database and judged by rules, because the choice between instances is its own.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from shared.db.pool import Database
from shared.domain.claims import DoubtClaim, DownloadClaim, PollClaim, SubmissionClaim
from shared.domain.errors import StaleTransition

FINAL = frozenset({"completed", "failed", "cancelled"})
BUSY = frozenset({"submitting", "pending", "running"})
AT_AMC = frozenset({"pending", "running"})
STALE = "stale"

Claim = SubmissionClaim | DoubtClaim | DownloadClaim


@dataclass(frozen=True, slots=True)
class State:
    """All of an execution that decides what may be done with it."""

    instance: int
    state: str = "queued"
    fence: int = 0
    is_owned: bool = False
    has_lease: bool = False
    is_expired: bool = False
    """The lease, if there is one."""
    has_intent: bool = False
    is_settled: bool = False
    """The settle time of the intent is over."""
    is_cancel_asked: bool = False
    amc_execution_id: str | None = None

    def freed(self, state: str, **more: Any) -> "State":
        """In `state`, held by nobody and waiting for nothing."""
        plain = {"is_owned": False, "has_lease": False, "is_expired": False}
        return replace(self, state=state, has_intent=False, is_settled=False, **{**plain, **more})

    def held(self) -> "State":
        """Claimed afresh."""
        fence = self.fence + 1
        return replace(self, fence=fence, is_owned=True, has_lease=True, is_expired=False)

    def waiting(self, *, is_expired: bool = False) -> "State":
        """Let go; the rescuer brings it back when the lease ends."""
        return replace(self, is_owned=False, has_lease=True, is_expired=is_expired)


@dataclass
class Model:
    """Everything committed."""

    executions: dict[UUID, State] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    paused: set[int] = field(default_factory=set)
    full: set[int] = field(default_factory=set)
    """AMC has said that it takes no more: `admit_after` lies ahead."""
    hints: dict[int, int] = field(default_factory=dict)
    """Instances somebody has still to admit on, and since which moment."""
    amc_ids: int = 0

    def copy(self) -> "Model":
        return replace(
            self,
            executions=dict(self.executions),
            keys=set(self.keys),
            paused=set(self.paused),
            full=set(self.full),
            hints=dict(self.hints),
        )

    def admitted(self, execution: UUID | None) -> "Model | None":
        """The same, but with this execution admitted; None if it is not in line."""
        if execution is None or self.executions[execution].state != "queued":
            return None
        model = self.copy()
        found = self.executions[execution]
        model.executions[execution] = replace(found, state="submitting", has_lease=True)
        return model

    def is_ours(self, claim: Claim, *states: str) -> bool:
        found = self.executions[claim.execution_id]
        return found.state in states and found.fence == claim.fence

    def owner_of(self, instance: int, amc_execution_id: str) -> UUID | None:
        wanted = (instance, amc_execution_id)
        for execution, found in self.executions.items():
            if (found.instance, found.amc_execution_id) == wanted:
                return execution
        return None


@dataclass(frozen=True, slots=True)
class Move:
    """One call: how it is made, what it may answer, and what a success changes."""

    name: str
    call: Callable[[Database], Awaitable[object]]
    allowed: Callable[[Model], Collection[object]]
    apply: Callable[[Model, object], None]
    claim: Claim | PollClaim | None = None
    """Held by one worker: no second move is made with it meanwhile."""
    admits: Collection[int] = ()
    """Instances whose queue it looks at in any case."""
    is_exact: bool = True
    """False: it passes over rows that somebody else has locked."""
    changes_limits: bool = False
    subject: UUID | None = None
    """Whose place in line decides what it answers: admission may have come first."""


def nothing(_model: Model, _outcome: object) -> None:
    """A move that changes nothing the model knows."""


async def answer(call: Awaitable[object]) -> object:
    """The answer, or that somebody else was first."""
    try:
        return await call
    except StaleTransition:
        return STALE


def either(holds: bool, outcome: object = None) -> list[object]:
    """This outcome if the model says so, else that somebody was first."""
    return [outcome if holds else STALE]


def on(execution: UUID, change: Callable[[State], State]) -> Callable[[Model, object], None]:
    """A change of one execution, by a move that was not refused."""

    def apply(model: Model, outcome: object) -> None:
        if outcome not in (STALE, False):
            model.executions[execution] = change(model.executions[execution])

    return apply
