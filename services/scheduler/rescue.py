"""Brings back what was abandoned: queued work nobody admitted, commands nobody carried out.

It runs in every replica of the scheduler and needs no leader: each step is a compare-and-set.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from shared.domain.errors import DatabaseUnavailable
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach

log = get_logger()


class Control(Protocol):
    """Finds and moves what was abandoned."""

    async def rescue(self, *, limit: int = ...) -> dict[str, int]: ...


@dataclass(frozen=True, slots=True)
class Rescuer:
    """Looks again and again."""

    control: Control
    wake_relay: Callable[[], None]
    every: timedelta

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            try:
                done = await self.control.rescue()
            except DatabaseUnavailable as error:
                log.warning("rescue_interrupted", error=error.message)
            else:
                if done:
                    reach(StopPoint.RESCUE_COMMITTED)
                    self.wake_relay()
                    log.info("work_rescued", **done)
            try:
                async with asyncio.timeout(self.every.total_seconds()):
                    await stop.wait()
            except TimeoutError:
                continue
