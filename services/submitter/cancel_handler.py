"""Cancels executions at AMC: those a user, or a deadline, asked for, and strays of our own.

AMC's word alone makes an execution cancelled: this handler only asks, and sees to it that somebody
looks. Dying anywhere, or asking twice, is harmless: AMC answers that it has finished already, and a
timer brings the command back until AMC has been asked.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from shared.amc.outcomes import CancelOutcome
from shared.amc.target import AmcTarget
from shared.domain.claims import CancelWork, Destination
from shared.domain.errors import (
    DatabaseUnavailable,
    PermanentError,
    StaleTransition,
    TransientError,
)
from shared.domain.ids import AmcExecutionId, InstanceKey
from shared.domain.pacing import backoff
from shared.messaging.messages import CancelExecution, CancelStray
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach
from shared.runtime.reach import Reach
from shared.security.secrets import AccessToken

log = get_logger()

_ASK_AGAIN: Final = timedelta(seconds=60)


class Cancellations(Protocol):
    """What is to be cancelled, and what becomes of it."""

    async def work_of(self, execution_id: UUID) -> CancelWork: ...
    async def destination(self, instance: InstanceKey) -> Destination: ...
    async def look_soon(self, instance: InstanceKey) -> None: ...
    async def try_again(self, execution_id: UUID, *, wait: timedelta) -> None: ...
    async def done(self, execution_id: UUID) -> None: ...
    async def stray_cancelled(self, instance: InstanceKey, stray: AmcExecutionId) -> None: ...


class Amc(Protocol):
    """The one call that is needed."""

    async def cancel_execution(
        self,
        target: AmcTarget,
        token: AccessToken,
        amc_execution_id: AmcExecutionId,
        *,
        give_up_at: float,
    ) -> CancelOutcome: ...


@dataclass(frozen=True, slots=True)
class RemoteCancel:
    """Asks AMC once, with all that belongs to it."""

    amc: Amc
    reach: Reach
    patience: timedelta
    clock: Callable[[], float] = time.monotonic

    async def __call__(
        self, destination: Destination, amc_execution_id: AmcExecutionId
    ) -> CancelOutcome:
        """What AMC said."""
        async with self.reach.to(destination) as at:
            return await self.amc.cancel_execution(
                at.target,
                at.token,
                amc_execution_id,
                give_up_at=self.clock() + self.patience.total_seconds(),
            )


@dataclass(frozen=True, slots=True)
class CancelHandler:
    """Carries out CancelExecution."""

    cancellations: Cancellations
    cancel: RemoteCancel

    async def __call__(self, command: CancelExecution, /) -> None:
        try:
            work = await self.cancellations.work_of(command.execution_id)
        except StaleTransition:
            await self.cancellations.done(command.execution_id)
            raise
        reach(StopPoint.CANCEL_READ)
        try:
            outcome = await self.cancel(work.destination, work.amc_execution_id)
        except DatabaseUnavailable:
            raise
        except TransientError as error:
            wait = error.wait or backoff(1)
            await self.cancellations.try_again(command.execution_id, wait=wait)
            log.info("cancellation_postponed", error_code=error.code, wait=wait.total_seconds())
            return
        except PermanentError as error:
            log.warning("cancellation_refused", error_code=error.code, error=error.message)
        else:
            reach(StopPoint.CANCEL_ANSWERED)
            log.info("cancellation_sent", outcome=outcome)
        # Asked again until a look finds it final; then `work_of` ends the chain.
        await self.cancellations.try_again(command.execution_id, wait=_ASK_AGAIN)
        await self.cancellations.look_soon(work.destination.instance)
        reach(StopPoint.CANCEL_RECORDED)


@dataclass(frozen=True, slots=True)
class CancelStrayHandler:
    """Carries out CancelStray; errors bring the command back through the consumer's own rule."""

    cancellations: Cancellations
    cancel: RemoteCancel

    async def __call__(self, command: CancelStray, /) -> None:
        instance = InstanceKey(command.instance_id)
        stray = AmcExecutionId(command.amc_execution_id)
        destination = await self.cancellations.destination(instance)
        outcome = await self.cancel(destination, stray)
        reach(StopPoint.STRAY_ANSWERED)
        await self.cancellations.stray_cancelled(instance, stray)
        log.warning("stray_cancelled", amc_execution_id=stray, outcome=outcome)
