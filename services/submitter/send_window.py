"""How many submissions of one process may be between their permit and AMC's answer.

A permit lives for 20 ms, and on a busy machine those who share it keep each other from leaving in
time: the more book, the fewer send, until nobody does. So the room shrinks when a permit expired
and grows by one for each full round that was in time, as TCP does with its congestion window
(RFC 5681). Where nothing expires it is as wide as the work at hand.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from shared.domain.errors import PermitExpired

_FIRST: Final = 4.0
_MOST: Final = 64.0
"""Wider than the work in hand at once; so that it narrows soon when the machine gets busy."""
_SHRINK: Final = 0.7
_GROUP_SECONDS: Final = 0.005
_PAUSE_SECONDS: Final = 0.2
"""Permits that expired together say the same thing once."""


@dataclass(slots=True)
class SendWindow:
    """Lets in as many at once as have lately left in time, first come, first served; where others
    wait, in groups."""

    room: float = _FIRST
    clock: Callable[[], float] = time.monotonic
    _inside: int = 0
    _line: deque[asyncio.Future[None]] = field(default_factory=deque)
    _shrunk_at: float = float("-inf")
    _filling: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for room; what is raised inside tells whether there was too much of it."""
        await self._enter()
        try:
            yield
        except PermitExpired:
            self._shrink()
            raise
        else:
            self.room = min(_MOST, self.room + 1 / self.room)
        finally:
            self._inside -= 1
            self._let_in()

    async def _enter(self) -> None:
        if not self._line and self._inside < int(self.room):
            self._inside += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                # Let in and called away in the same breath: the place is the next one's.
                self._inside -= 1
                self._let_in()
            raise

    def _let_in(self) -> None:
        """Those let in together book, record and send in shared steps, so half a window at a time;
        but where the calls inside take long, a free place is not kept for that."""
        if not self._line:
            return
        if int(self.room) - self._inside >= int(self.room) // 2:
            self._fill()
        elif self._filling is None:
            self._filling = asyncio.get_running_loop().call_later(_GROUP_SECONDS, self._fill)

    def _fill(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None
        while self._line and self._inside < int(self.room):
            place = self._line.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)

    def _shrink(self) -> None:
        now = self.clock()
        if now - self._shrunk_at >= _PAUSE_SECONDS:
            self.room, self._shrunk_at = max(1.0, self.room * _SHRINK), now
