"""Settles a doubt: did a create that got no answer reach AMC?

After the settle time AMC's list is asked for executions of that workflow. The oldest one that is
the same request and that no row owns becomes ours; equal requests are interchangeable, so which of
several twins gets which does not matter. Only if there is none may the request be sent again.

Dying anywhere leaves the doubt as it was: the timer fires again. Two reconcilers of one execution:
the second finds the lease taken. Two of equal requests: they take turns under a lock on the
fingerprint, and the unique AMC id keeps one execution from having two owners.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.amc.models import ExecutionPage, RemoteExecution
from shared.amc.target import AmcTarget
from shared.domain.claims import DoubtClaim, RequestedRun
from shared.domain.errors import (
    DatabaseUnavailable,
    PermanentError,
    TransientError,
)
from shared.domain.ids import AmcExecutionId, AmcWorkflowId
from shared.domain.pacing import backoff
from shared.messaging.messages import ReconcileExecution
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach
from shared.runtime.reach import Reach, Reached
from shared.security.secrets import AccessToken

log = get_logger()

_MOST_PAGES: Final = 50
_WAIT_AFTER_REFUSAL: Final = timedelta(seconds=60)


class Doubts(Protocol):
    """The moves of executions in doubt."""

    async def claim_for_reconciliation(
        self, execution_id: UUID, *, lease: timedelta
    ) -> DoubtClaim: ...
    async def adopt_oldest_unowned(
        self,
        claim: DoubtClaim,
        candidates: list[tuple[AmcExecutionId, str, datetime]],
        *,
        fingerprint: str,
    ) -> AmcExecutionId | None: ...
    async def give_up_attempt(self, claim: DoubtClaim) -> str: ...
    async def postpone_reconciliation(self, claim: DoubtClaim, *, wait: timedelta) -> None: ...


class Amc(Protocol):
    """AMC's list."""

    async def list_executions(
        self,
        target: AmcTarget,
        token: AccessToken,
        *,
        workflow_id: AmcWorkflowId | None = ...,
        created_since: datetime | None = ...,
        next_token: str | None = ...,
        give_up_at: float,
    ) -> ExecutionPage: ...


@dataclass(frozen=True, slots=True)
class ReconcileHandler:
    """Carries out ReconcileExecution."""

    doubts: Doubts
    amc: Amc
    reach: Reach
    lease: timedelta
    settle_time: timedelta
    clock: Callable[[], float] = time.monotonic

    async def __call__(self, command: ReconcileExecution, /) -> None:
        claim = await self.doubts.claim_for_reconciliation(command.execution_id, lease=self.lease)
        reach(StopPoint.RECONCILE_CLAIMED)
        try:
            listed = await self._list(claim)
        except DatabaseUnavailable:
            raise
        except (TransientError, PermanentError) as error:
            await self._look_again(claim, error)
            return
        reach(StopPoint.RECONCILE_LISTED)
        adopted = await self.doubts.adopt_oldest_unowned(
            claim, candidates_for(claim, listed), fingerprint=fingerprint_of(claim)
        )
        if adopted is not None:
            reach(StopPoint.RECONCILE_RECORDED)
            log.info("doubt_settled", outcome="adopted", amc_execution_id=adopted)
            return
        outcome = await self.doubts.give_up_attempt(claim)
        reach(StopPoint.RECONCILE_RECORDED)
        log.info("doubt_settled", outcome=outcome, attempt=claim.attempt)

    async def _list(self, claim: DoubtClaim) -> list[RemoteExecution]:
        async with self.reach.to(claim.destination) as at:
            return await self._read_list(claim, at)

    async def _read_list(self, claim: DoubtClaim, at: Reached) -> list[RemoteExecution]:
        listed: list[RemoteExecution] = []
        next_token: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self.amc.list_executions(
                at.target,
                at.token,
                workflow_id=claim.run.amc_workflow_id,
                created_since=claim.intent_at - 2 * self.settle_time,
                next_token=next_token,
                give_up_at=self.clock() + self.lease.total_seconds(),
            )
            listed.extend(page.executions)
            next_token = page.next_token
            if next_token is None:
                break
        return listed

    async def _look_again(self, claim: DoubtClaim, error: TransientError | PermanentError) -> None:
        """Without AMC's list nothing can be decided; the slot stays taken, as it must."""
        wait = _WAIT_AFTER_REFUSAL
        if isinstance(error, TransientError):
            wait = error.wait or backoff(2)
        await self.doubts.postpone_reconciliation(claim, wait=wait)
        log.warning("reconciliation_postponed", error_code=error.code, error=error.message)


def candidates_for(
    claim: DoubtClaim, listed: list[RemoteExecution]
) -> list[tuple[AmcExecutionId, str, datetime]]:
    """Those that may be this attempt's, oldest first. What AMC does not echo cannot exclude."""
    same = [remote for remote in listed if _is_same(claim, remote)]
    oldest_first = sorted(same, key=lambda remote: remote.created_at or claim.intent_at)
    return [
        (remote.amc_execution_id, remote.status, remote.created_at or claim.intent_at)
        for remote in oldest_first
    ]


def fingerprint_of(claim: DoubtClaim) -> str:
    """The same for requests that AMC could not tell apart."""
    run = claim.run
    parts = [
        claim.destination.amc_instance_id,
        run.amc_workflow_id,
        run.time_window_type,
        str(run.time_window_start),
        str(run.time_window_end),
        run.time_zone,
        json.dumps(run.parameters, sort_keys=True),
    ]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def _is_same(claim: DoubtClaim, remote: RemoteExecution) -> bool:
    return (
        remote.amc_workflow_id == claim.run.amc_workflow_id
        and remote.timeout_seconds in (None, claim.timeout_seconds)
        and _is_same_window(claim.run, remote)
        and dict(remote.parameter_values) == claim.run.parameters
    )


def _is_same_window(run: RequestedRun, remote: RemoteExecution) -> bool:
    return all(
        asked is None or echoed is None or _in_utc(asked, run.time_zone) == echoed
        for asked, echoed in (
            (run.time_window_start, remote.time_window_start),
            (run.time_window_end, remote.time_window_end),
        )
    )


def _in_utc(local: datetime, time_zone: str) -> datetime:
    return local.replace(tzinfo=ZoneInfo(time_zone)).astimezone(UTC)
