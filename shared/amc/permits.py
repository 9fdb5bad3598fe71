"""Leave to call AMC once: the port to the rate budget, and the age check that makes it exact.

The budget (one row per instance, DESIGN 6) counts bookings, AMC counts arrivals. They agree as
long as no permit is used late, so a permit older than 20 ms when the first byte would leave is
dropped and nothing is sent.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, Self

from shared.domain.errors import PermitExpired
from shared.domain.ids import InstanceKey

MAX_AGE_SECONDS: Final = 0.020
_PATIENCE_SECONDS: Final = 0.5
"""For so long after its first turn a call books others: within the second that a settle time
has for it (`AmcCallSettings.settle_after_intent`)."""


class CallClass(StrEnum):
    """How far ahead a call may book: submissions about one step, the others a minute."""

    SUBMIT = "submit"
    POLL = "poll"
    DOWNLOAD = "download"


@dataclass(slots=True)
class Permit:
    """One booked turn: not to be used before it is ready, nor after it expired."""

    ready_at_monotonic: float
    expires_at_monotonic: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    again: Callable[[], Awaitable["Permit"]] | None = None
    """Books another turn in place of this one."""
    _give_up_at: float | None = None

    @classmethod
    def booked(
        cls,
        *,
        earliest: float,
        latest: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        again: Callable[[], Awaitable["Permit"]] | None = None,
    ) -> Self:
        """For a turn that begins between these two moments (monotonic seconds).

        Ready is counted from the later and expiry from the earlier one, so what is not known of
        the database's clock is on the safe side of both.
        """
        return cls(latest, earliest + MAX_AGE_SECONDS, clock, sleep, again)

    async def wait(self) -> None:
        """Sleep until the turn has come.

        Who wakes too late has missed its turn and sent nothing, so it books another, as long as
        that is soon: what was committed for this call (an intent, a lease) counts on it leaving
        now. After that `check` says no. Who waits once more, since it did not get away in time
        after all, has no longer than before.
        """
        if self._give_up_at is None:
            self._give_up_at = self.ready_at_monotonic + _PATIENCE_SECONDS
        await self._wait_for_turn()
        while self._late() > 0 and await self._book_again(self._give_up_at):
            await self._wait_for_turn()

    async def _wait_for_turn(self) -> None:
        while (left := self.ready_at_monotonic - self.clock()) > 0:
            await self.sleep(left)

    async def _book_again(self, give_up_at: float) -> bool:
        if self.again is None or (left := give_up_at - self.clock()) <= 0:
            return False
        try:
            async with asyncio.timeout(left):
                other = await self.again()
        except TimeoutError:
            return False
        if other.ready_at_monotonic > give_up_at:
            return False
        self.ready_at_monotonic = other.ready_at_monotonic
        self.expires_at_monotonic = other.expires_at_monotonic
        return True

    def check(self) -> None:
        """PermitExpired if it is too late to send."""
        late = self._late()
        if late > 0:
            raise PermitExpired(f"The rate permit expired {late * 1000:.0f} ms ago; nothing sent.")

    def _late(self) -> float:
        return self.clock() - self.expires_at_monotonic


class Permits(Protocol):
    """The rate budget, as the AMC client needs it."""

    async def take(self, instance: InstanceKey, call_class: CallClass) -> Permit:
        """Book the next turn; may wait to book, and raises a TransientError if it cannot."""
        ...
