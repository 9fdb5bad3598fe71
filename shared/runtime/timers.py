"""Looks for timers whose time has come, ten times a second where somebody waits for it.

There is no notification from the database: it would serialise every commit. One look is for all
kinds of the service, and one that finds nothing costs the database a tenth of a millisecond. Dying
in the middle loses nothing: the timer's move and its command are one transaction.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.db.timers import ALL, DueTimer, Timers
from shared.domain.errors import BrokerUnavailable, DatabaseUnavailable
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach

log = get_logger()

LOOK_SECONDS: Final = 0.1
SELDOM_SECONDS: Final = 0.5
"""For services whose timers only bring back what failed or renew what has minutes left."""
_BATCH: Final = 500
_AWAY_SECONDS: Final = 1.0
_BACK: Final = timedelta(minutes=1)
_DEEP_SECONDS: Final = 10.0
"""Most looks go back a minute; one in ten seconds, and what follows a failure or a full batch, all
the way."""

# A timer fires again after this if nobody re-armed or disarmed it: longer than its work may take.
GUARDS: Final[Mapping[str, timedelta]] = {
    "submit_execution": timedelta(seconds=60),
    "cancel_execution": timedelta(seconds=60),
    "reconcile_execution": timedelta(seconds=90),
    "reconcile_instance": timedelta(seconds=90),
    "poll_instance": timedelta(seconds=120),
    "download_result": timedelta(seconds=60),
    "refresh_credential": timedelta(seconds=60),
}
_GUARD_IN_PLACE: Final = timedelta(seconds=30)

InPlace = Callable[[DueTimer], Awaitable[None]]


@dataclass(slots=True)
class TimerLoop:
    """The timers of one service: kinds that become commands, and kinds done in place."""

    timers: Timers
    wake_relay: Callable[[], None]
    commands: tuple[str, ...] = ()
    """Kinds named like the command they send."""
    in_place: Mapping[str, InPlace] | None = None
    """Kinds with the work to do; the timer is disarmed when it is done."""
    every: float = LOOK_SECONDS
    """Seconds between two looks."""
    _next_deep_look: float = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. With the database away it waits for it to come back."""
        while not stop.is_set():
            wait = self.every
            try:
                await self._look()
            except DatabaseUnavailable as error:
                log.warning("timers_interrupted", error=error.message)
                wait, self._next_deep_look = _AWAY_SECONDS, 0.0
            try:
                async with asyncio.timeout(wait):
                    await stop.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        back = _BACK
        if time.monotonic() >= self._next_deep_look:
            back, self._next_deep_look = ALL, time.monotonic() + _DEEP_SECONDS
        in_place = self.in_place or {}
        for kind in await self.timers.due([*self.commands, *in_place], back=back):
            if kind in in_place:
                found = await self._do_all(kind, in_place[kind])
            else:
                found = await self._fire(kind, back)
            if found == _BATCH:
                self._next_deep_look = 0.0

    async def _fire(self, kind: str, back: timedelta) -> int:
        fired = await self.timers.fire(
            kind, message_type=f"{kind}.v1", guard=GUARDS[kind], limit=_BATCH, back=back
        )
        if fired:
            reach(StopPoint.TIMER_FIRED)
            self.wake_relay()
        return fired

    async def _do_all(self, kind: str, work: InPlace) -> int:
        due = await self.timers.take_due(kind, guard=_GUARD_IN_PLACE, limit=_BATCH)
        for timer in due:
            await self._do(kind, work, timer)
        return len(due)

    async def _do(self, kind: str, work: InPlace, timer: DueTimer) -> None:
        """What the broker did not take stays armed: the guard brings it back."""
        reach(StopPoint.TIMER_TAKEN)
        try:
            await work(timer)
        except BrokerUnavailable as error:
            log.warning("timer_left_armed", kind=kind, error=error.message)
            return
        reach(StopPoint.TIMER_DONE)
        await self.timers.disarm(kind, timer.key, seen=timer.due_at)
        self.wake_relay()
