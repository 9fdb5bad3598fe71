"""The submitter's moves with claims, intents and bindings of many executions in one commit.

Each caller goes on only when the commit that holds its own row is done: what it may then rely on
is the same as if it had been alone. Dying during such a commit leaves each of its executions as
dying during a commit of its own would.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from typing_extensions import override

from shared.db.submission import Binding, Submissions
from shared.domain.claims import DoubtClaim, SubmissionClaim
from shared.domain.errors import StaleTransition
from shared.domain.ids import AmcExecutionId
from shared.runtime.gathering import Gathering

FoundT = TypeVar("FoundT")

_LINGER_SECONDS: Final = 0.010
"""A batch of sixteen costs Postgres a sixth, for each of them, of what one alone does."""
_ENOUGH: Final = 32
"""Of thirty-two another tenth less; nobody waits longer for it than `_LINGER_SECONDS`."""


class _Wanted(NamedTuple):
    execution_id: UUID
    lease: timedelta


class _Intent(NamedTuple):
    claim: SubmissionClaim
    timeout_seconds: int
    settle_time: timedelta
    lease: timedelta


@dataclass(frozen=True, slots=True)
class _Steps:
    """Where several are asked for with different times, the longest holds for all of them."""

    submissions: Submissions

    async def claim(self, wanted: Sequence[_Wanted]) -> list[SubmissionClaim | StaleTransition]:
        return await self.submissions.claim_all(
            [each.execution_id for each in wanted], lease=max(each.lease for each in wanted)
        )

    async def intend(self, intents: Sequence[_Intent]) -> list[int | StaleTransition]:
        return await self.submissions.record_intents(
            [(each.claim, each.timeout_seconds) for each in intents],
            settle_time=max(each.settle_time for each in intents),
            lease=max(each.lease for each in intents),
        )


@dataclass(frozen=True, slots=True)
class GatheredSubmissions(Submissions):
    """The repository of executions in `submitting`; `run` must run for anybody to be served."""

    _claims: Gathering[_Wanted, SubmissionClaim | StaleTransition] = field(kw_only=True)
    _intents: Gathering[_Intent, int | StaleTransition] = field(kw_only=True)
    _bindings: Gathering[Binding, StaleTransition | None] = field(kw_only=True)

    @classmethod
    def over(cls, submissions: Submissions) -> "GatheredSubmissions":
        """The same moves, gathered."""
        steps = _Steps(submissions)
        return cls(
            submissions.database,
            submissions.first_look,
            submissions.on_written,
            _claims=Gathering(steps.claim, linger=_LINGER_SECONDS, enough=_ENOUGH),
            # Never: its permit is already growing old.
            _intents=Gathering(steps.intend),
            _bindings=Gathering(submissions.bind_all, linger=_LINGER_SECONDS, enough=_ENOUGH),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then whoever is still in line is served."""
        async with asyncio.TaskGroup() as group:
            for gathering in (self._claims, self._intents, self._bindings):
                group.create_task(gathering.run(stop))

    @override
    async def claim_for_submission(
        self, execution_id: UUID, *, lease: timedelta
    ) -> SubmissionClaim:
        return _or_raise(await self._claims.ask(_Wanted(execution_id, lease)))

    @override
    async def record_intent(
        self,
        claim: SubmissionClaim,
        *,
        timeout_seconds: int,
        settle_time: timedelta,
        lease: timedelta,
    ) -> int:
        intent = _Intent(claim, timeout_seconds, settle_time, lease)
        return _or_raise(await self._intents.ask(intent))

    @override
    async def bind(
        self,
        claim: SubmissionClaim | DoubtClaim,
        *,
        amc_execution_id: AmcExecutionId,
        amc_status: str,
        created_at: datetime,
    ) -> None:
        binding = Binding(claim, amc_execution_id, amc_status, created_at)
        _or_raise(await self._bindings.ask(binding))


def _or_raise(found: FoundT | StaleTransition) -> FoundT:
    if isinstance(found, StaleTransition):
        raise found
    return found
