"""Admits soon after acceptance: many accepts gathered into one step.

The queued row is the durable trigger. A process that dies before this step loses nothing: the
rescuer's look admits what is left within two seconds.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from shared.domain.errors import AmcflowError, DatabaseUnavailable
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach

log = get_logger()


class Admission(Protocol):
    """Moves queued executions on where slots are free."""

    async def admit(self, instance_ids: Collection[int]) -> int: ...


@dataclass(slots=True)
class Admitter:
    """Gathers instances while one step is under way, and takes them all in the next."""

    admission: Admission
    wake_relay: Callable[[], None]
    _waiting: set[int] = field(default_factory=set)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def soon(self, instance_ids: Collection[int]) -> None:
        """There may be work to admit on these."""
        self._waiting.update(instance_ids)
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                woken = asyncio.ensure_future(self._woken.wait())
                await asyncio.wait({woken, stopping}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                await self._step()
        finally:
            stopping.cancel()

    async def _step(self) -> None:
        self._woken.clear()
        instances, self._waiting = self._waiting, set()
        if not instances:
            return
        try:
            await self.admission.admit(instances)
            reach(StopPoint.ADMIT_COMMITTED)
        except DatabaseUnavailable as error:
            log.warning("admission_left_to_rescuer", error=error.message)
        except AmcflowError as error:
            log.exception("admission_failed", error_code=error.code)
        self.wake_relay()
