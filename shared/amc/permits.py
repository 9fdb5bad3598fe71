"""Leave to call AMC once: the port to the rate budget, and the age check that makes it exact.

The budget (one row per instance, DESIGN 6) counts bookings, AMC counts arrivals. They agree as
long as no permit is used late, so a permit older than 30 ms when the first byte would leave is
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

MAX_AGE_SECONDS: Final = 0.030


class CallClass(StrEnum):
    """How far ahead a call may book: submissions about one step, the others a minute."""

    SUBMIT = "submit"
    POLL = "poll"
    DOWNLOAD = "download"


@dataclass(frozen=True, slots=True)
class Permit:
    """One booked turn: not to be used before it is ready, nor after it expired."""

    ready_at_monotonic: float
    expires_at_monotonic: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @classmethod
    def booked(
        cls,
        *,
        earliest: float,
        latest: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> Self:
        """For a turn that begins between these two moments (monotonic seconds).

        Ready is counted from the later and expiry from the earlier one, so what is not known of
        the database's clock is on the safe side of both.
        """
        return cls(latest, earliest + MAX_AGE_SECONDS, clock, sleep)

    async def wait(self) -> None:
        """Sleep until the turn has come."""
        while (left := self.ready_at_monotonic - self.clock()) > 0:
            await self.sleep(left)

    def check(self) -> None:
        """PermitExpired if it is too late to send."""
        late = self.clock() - self.expires_at_monotonic
        if late > 0:
            raise PermitExpired(f"The rate permit expired {late * 1000:.0f} ms ago; nothing sent.")


class Permits(Protocol):
    """The rate budget, as the AMC client needs it."""

    async def take(self, instance: InstanceKey, call_class: CallClass) -> Permit:
        """Book the next turn; may wait to book, and raises a TransientError if it cannot."""
        ...
