"""Looks at one instance: a bounded number of calls moves all its executions, and slots on.

AMC's list is read newest first while a page shows enough of ours; the rest is asked one by one, the
least recently asked first, a few in each look. Absence from a list proves nothing, and nothing
moves backwards. One look at a time holds the instance; a second delivery finds it held. Dying in
the middle loses nothing: what was observed is committed page by page, the lease runs out, and the
timer fires again.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from services.poller.observation import (
    is_news,
    is_overdue,
    is_young,
    observation_of,
    observation_of_missing,
)
from shared.amc.models import ExecutionPage, RemoteExecution
from shared.amc.target import AmcTarget
from shared.db.polling import GivenUpAttempt
from shared.domain.claims import Observation, PollClaim, RemoteWork
from shared.domain.errors import (
    AmcflowError,
    DatabaseUnavailable,
    PermanentError,
    RemoteNotFound,
    TransientError,
)
from shared.domain.ids import AmcExecutionId, ExecutionId, InstanceKey
from shared.domain.pacing import LookPace, backoff
from shared.messaging.messages import PollInstance
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach
from shared.runtime.reach import Reach, Reached
from shared.security.secrets import AccessToken

log = get_logger()

_WAIT_AFTER_REFUSAL: Final = timedelta(seconds=60)
# AMC's clock against itself: its list filters by whole seconds.
_EARLIER: Final = timedelta(seconds=2)


class Looks(Protocol):
    """What is at AMC, and what was seen of it."""

    async def claim_for_poll(self, instance: InstanceKey, *, lease: timedelta) -> PollClaim: ...
    async def observe(self, instance: InstanceKey, seen: Sequence[Observation]) -> int: ...
    async def mark_asked(self, execution_id: ExecutionId, *, is_missing: bool) -> None: ...
    async def mark_deadline_passed(self, executions: Collection[ExecutionId]) -> None: ...
    async def timer_due(self, instance: InstanceKey) -> datetime | None: ...
    async def finish_look(
        self, claim: PollClaim, *, next_look: timedelta | None, seen_due: datetime | None
    ) -> None: ...
    async def given_up_attempts(
        self, instance: InstanceKey, workflows: Collection[str]
    ) -> list[GivenUpAttempt]: ...
    async def owned_among(
        self, instance: InstanceKey, amc_execution_ids: Collection[str]
    ) -> set[str]: ...
    async def record_stray(
        self, instance: InstanceKey, amc_execution_id: str, attempt: GivenUpAttempt
    ) -> None: ...
    async def expected_seconds(self, instance: InstanceKey) -> float | None: ...


class Amc(Protocol):
    """The two calls that show executions."""

    async def list_executions(
        self,
        target: AmcTarget,
        token: AccessToken,
        *,
        created_since: datetime | None = ...,
        next_token: str | None = ...,
        give_up_at: float,
    ) -> ExecutionPage: ...
    async def get_execution(
        self,
        target: AmcTarget,
        token: AccessToken,
        amc_execution_id: AmcExecutionId,
        *,
        give_up_at: float,
    ) -> RemoteExecution: ...


@dataclass(frozen=True, slots=True)
class LookPolicy:
    """The bounds of one look."""

    lease: timedelta
    pace: LookPace = field(default_factory=LookPace)
    pages: int = 6
    questions: int = 5
    """Executions asked for by id, after the pages."""
    worth_a_page: int = 3
    """A page that shows fewer of ours is the last one read."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One look under way: where, as whom, until when."""

    claim: PollClaim
    target: AmcTarget
    token: AccessToken
    give_up_at: float

    @property
    def instance(self) -> InstanceKey:
        return self.claim.destination.instance


@dataclass(frozen=True, slots=True)
class PollHandler:
    """Carries out PollInstance."""

    looks: Looks
    amc: Amc
    reach: Reach
    policy: LookPolicy
    clock: Callable[[], float] = time.monotonic

    async def __call__(self, command: PollInstance, /) -> None:
        instance = InstanceKey(command.instance_id)
        due = await self.looks.timer_due(instance)
        claim = await self.looks.claim_for_poll(instance, lease=self.policy.lease)
        reach(StopPoint.POLL_CLAIMED)
        try:
            next_look = await self._look(claim)
        except DatabaseUnavailable:
            raise
        except (TransientError, PermanentError) as error:
            next_look = _wait_after(error)
        await self.looks.finish_look(claim, next_look=next_look, seen_due=due)
        reach(StopPoint.POLL_FINISHED)

    async def _look(self, claim: PollClaim) -> timedelta | None:
        late = [work.execution_id for work in claim.work if is_overdue(work, claim.now)]
        if late:
            await self.looks.mark_deadline_passed(late)
        if not claim.work and claim.given_up_since is None:
            return None
        async with self.reach.to(claim.destination) as at:
            return await self._look_at(claim, at)

    async def _look_at(self, claim: PollClaim, at: Reached) -> timedelta | None:
        give_up_at = self.clock() + self.policy.lease.total_seconds() / 2
        errand = Errand(claim, at.target, at.token, give_up_at)
        unseen = {work.amc_execution_id: work for work in claim.work}
        freed = await self._read_pages(errand, unseen)
        freed += await self._ask_one_by_one(errand, unseen)
        log.info("instance_polled", at_amc=len(claim.work), unseen=len(unseen), finished=freed)
        return await self._next_look(claim, finished=freed)

    async def _read_pages(self, errand: Errand, unseen: dict[AmcExecutionId, RemoteWork]) -> int:
        since = _reach(errand.claim) - _EARLIER
        freed, next_token = 0, None
        for _ in range(self.policy.pages):
            page = await self.amc.list_executions(
                errand.target,
                errand.token,
                created_since=since,
                next_token=next_token,
                give_up_at=errand.give_up_at,
            )
            reach(StopPoint.POLL_LISTED)
            ours = _each_once(page.executions, unseen)
            freed += await self._observe(errand, ours, unseen)
            reach(StopPoint.POLL_OBSERVED)
            await self._look_for_strays(errand, page.executions)
            next_token = page.next_token
            if next_token is None or not self._is_worth_another(errand, ours, unseen):
                break
        return freed

    def _is_worth_another(
        self,
        errand: Errand,
        ours: Sequence[RemoteExecution],
        unseen: Mapping[AmcExecutionId, RemoteWork],
    ) -> bool:
        if errand.claim.given_up_since is not None:
            return True
        return bool(unseen) and len(ours) >= self.policy.worth_a_page

    async def _observe(
        self,
        errand: Errand,
        seen: Sequence[RemoteExecution],
        unseen: dict[AmcExecutionId, RemoteWork],
    ) -> int:
        """Records what is new. Writing the rest again would lock the account's gate, and keep its
        admission waiting, for as many rows as there are at AMC."""
        news = []
        for remote in seen:
            work = unseen.pop(remote.amc_execution_id)
            observation = observation_of(work, remote)
            if is_news(work, observation):
                news.append(observation)
        return await self.looks.observe(errand.instance, news) if news else 0

    async def _ask_one_by_one(
        self, errand: Errand, unseen: dict[AmcExecutionId, RemoteWork]
    ) -> int:
        freed = 0
        for work in _least_recently_asked(unseen)[: self.policy.questions]:
            try:
                remote = await self.amc.get_execution(
                    errand.target,
                    errand.token,
                    work.amc_execution_id,
                    give_up_at=errand.give_up_at,
                )
            except RemoteNotFound as error:
                freed += await self._missing(errand, work, error)
            except AmcflowError:
                # The look ends here, and the next one does not begin with the same question.
                await self.looks.mark_asked(work.execution_id, is_missing=False)
                raise
            else:
                del unseen[work.amc_execution_id]
                # Also what is not new, unlike from a list: it was asked, so others are next.
                observation = observation_of(work, remote)
                freed += await self.looks.observe(errand.instance, [observation])
        return freed

    async def _missing(self, errand: Errand, work: RemoteWork, error: RemoteNotFound) -> int:
        """AMC's word counts once the execution is old enough, and only the second time."""
        now = errand.claim.now
        observation = observation_of_missing(work, error, now)
        if observation is None:
            await self.looks.mark_asked(work.execution_id, is_missing=not is_young(work, now))
            return 0
        return await self.looks.observe(errand.instance, [observation])

    async def _look_for_strays(self, errand: Errand, listed: Sequence[RemoteExecution]) -> None:
        """What no row of ours owns but carries the mark of an attempt that was given up.

        One that has ended already is told of too: AMC did the work twice.
        """
        known = {work.amc_execution_id for work in errand.claim.work}
        foreign = [remote for remote in listed if remote.amc_execution_id not in known]
        if not foreign:
            return
        workflows = {remote.amc_workflow_id for remote in foreign}
        attempts = await self.looks.given_up_attempts(errand.instance, workflows)
        if not attempts:
            return
        marks = {(each.amc_workflow_id, each.timeout_seconds): each for each in attempts}
        marked = _marked(foreign, marks)
        owned = await self.looks.owned_among(errand.instance, marked)
        for amc_execution_id, attempt in marked.items():
            if amc_execution_id not in owned:
                await self.looks.record_stray(errand.instance, amc_execution_id, attempt)
                log.warning("stray_found", amc_execution_id=amc_execution_id)

    async def _next_look(self, claim: PollClaim, *, finished: int) -> timedelta | None:
        if finished == len(claim.work):
            return None if claim.given_up_since is None else self.policy.pace.longest
        ages = [(claim.now - work.created_at).total_seconds() for work in claim.work]
        expected = await self.looks.expected_seconds(claim.destination.instance)
        return self.policy.pace.next_look(ages, expected)


def _wait_after(error: TransientError | PermanentError) -> timedelta:
    wait = _WAIT_AFTER_REFUSAL
    if isinstance(error, TransientError):
        wait = error.wait or backoff(2)
    log.warning(
        "look_interrupted", error_code=error.code, error=error.message, wait=wait.total_seconds()
    )
    return wait


def _each_once(
    listed: Sequence[RemoteExecution], unseen: Mapping[AmcExecutionId, RemoteWork]
) -> list[RemoteExecution]:
    """Ours on a page; pages that shift under new executions may show one twice."""
    ours = {each.amc_execution_id: each for each in listed if each.amc_execution_id in unseen}
    return list(ours.values())


def _reach(claim: PollClaim) -> datetime:
    """How far back the list must go."""
    moments = [work.created_at for work in claim.work]
    if claim.given_up_since is not None:
        moments.append(claim.given_up_since)
    return min(moments)


def _least_recently_asked(unseen: Mapping[AmcExecutionId, RemoteWork]) -> list[RemoteWork]:
    return sorted(unseen.values(), key=lambda work: work.asked_at or work.created_at)


def _marked(
    foreign: Sequence[RemoteExecution], marks: Mapping[tuple[str, int], GivenUpAttempt]
) -> dict[str, GivenUpAttempt]:
    return {
        remote.amc_execution_id: marks[remote.amc_workflow_id, remote.timeout_seconds]
        for remote in foreign
        if remote.timeout_seconds is not None
        and (remote.amc_workflow_id, remote.timeout_seconds) in marks
    }
