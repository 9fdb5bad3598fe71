"""Compares what AMC has made on an instance with what our rows know.

It only reads: AMC's list since a moment, page by page, each page within the rate budget. What no
row owns is stored as a finding for a person to decide on. Dying anywhere leaves the run as it was:
its timer fires again when the lease is over. A second delivery finds it held, or ended.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from shared.amc.models import ExecutionPage, RemoteExecution
from shared.amc.target import AmcTarget
from shared.db.reconciliations import ComparisonClaim, Listed
from shared.domain.errors import AmcflowError, DatabaseUnavailable, PermanentError, TransientError
from shared.domain.pacing import backoff
from shared.messaging.messages import ReconcileInstance
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach
from shared.runtime.reach import Reach, Reached
from shared.security.secrets import AccessToken

log = get_logger()

_MOST_PAGES: Final = 100
_LONGEST_TRY: Final = timedelta(hours=1)


class Comparisons(Protocol):
    """The moves of a run."""

    async def claim(self, reconciliation: UUID, *, lease: timedelta) -> ComparisonClaim: ...
    async def finish(
        self, claim: ComparisonClaim, listed: Sequence[Listed], *, is_complete: bool
    ) -> None: ...
    async def postpone(
        self, claim: ComparisonClaim, error: AmcflowError, *, wait: timedelta
    ) -> None: ...
    async def fail(self, claim: ComparisonClaim, error: AmcflowError) -> None: ...


class Amc(Protocol):
    """AMC's list."""

    async def list_executions(
        self,
        target: AmcTarget,
        token: AccessToken,
        *,
        created_since: datetime | None = ...,
        next_token: str | None = ...,
        give_up_at: float,
    ) -> ExecutionPage: ...


@dataclass(frozen=True, slots=True)
class CompareHandler:
    """Carries out ReconcileInstance."""

    comparisons: Comparisons
    amc: Amc
    reach: Reach
    lease: timedelta
    most_pages: int = _MOST_PAGES
    clock: Callable[[], float] = time.monotonic

    async def __call__(self, command: ReconcileInstance, /) -> None:
        claim = await self.comparisons.claim(command.reconciliation_id, lease=self.lease)
        reach(StopPoint.COMPARE_CLAIMED)
        try:
            listed, is_complete = await self._list(claim)
        except DatabaseUnavailable:
            raise
        except TransientError as error:
            await self._try_again(claim, error)
        except PermanentError as error:
            await self.comparisons.fail(claim, error)
            log.warning("comparison_refused", error_code=error.code, error=error.message)
        else:
            reach(StopPoint.COMPARE_LISTED)
            await self.comparisons.finish(
                claim, [listed_of(remote) for remote in listed], is_complete=is_complete
            )
            reach(StopPoint.COMPARE_RECORDED)
            log.info("instance_compared", listed=len(listed), is_complete=is_complete)

    async def _list(self, claim: ComparisonClaim) -> tuple[list[RemoteExecution], bool]:
        async with self.reach.to(claim.destination) as at:
            return await self._read_pages(claim, at)

    async def _read_pages(
        self, claim: ComparisonClaim, at: Reached
    ) -> tuple[list[RemoteExecution], bool]:
        give_up_at = self.clock() + self.lease.total_seconds() / 2
        listed: list[RemoteExecution] = []
        next_token: str | None = None
        for _ in range(self.most_pages):
            page = await self.amc.list_executions(
                at.target,
                at.token,
                created_since=claim.since,
                next_token=next_token,
                give_up_at=give_up_at,
            )
            listed.extend(page.executions)
            next_token = page.next_token
            if next_token is None:
                return listed, True
            if self.clock() >= give_up_at:
                break
        return listed, False

    async def _try_again(self, claim: ComparisonClaim, error: TransientError) -> None:
        if claim.age > _LONGEST_TRY:
            await self.comparisons.fail(claim, error)
            return
        wait = error.wait or backoff(3)
        await self.comparisons.postpone(claim, error, wait=wait)
        log.info("comparison_postponed", error_code=error.code, wait=wait.total_seconds())


def listed_of(remote: RemoteExecution) -> Listed:
    """What is kept of AMC's answer, should no row own it."""
    return Listed(
        amc_execution_id=remote.amc_execution_id,
        amc_workflow_id=remote.amc_workflow_id,
        amc_status=remote.status,
        created_at=_text(remote.created_at),
        timeout_seconds=remote.timeout_seconds,
        time_window_start=_text(remote.time_window_start),
        time_window_end=_text(remote.time_window_end),
        parameters={
            name: value
            for name, value in remote.parameter_values.items()
            if isinstance(value, str) and "\x00" not in name + value
        },
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
