"""Turns in the rate budget, asked for in an orderly way.

One asker for each instance and class in a process: the others wait behind it here, so that the
budget row sees few questions however much work is in hand. Where questions travel together, the
line begins with the first refusal. Submissions may book little more than
one step ahead and therefore never keep a poll or a download waiting; those may book far ahead.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from shared.amc.permits import CallClass, Permit
from shared.domain.errors import TurnFarOff
from shared.domain.ids import InstanceKey
from shared.domain.turns import Turn
from shared.observability.metrics import PERMITS

_AHEAD: Final = {
    CallClass.SUBMIT: timedelta(milliseconds=128),
    CallClass.POLL: timedelta(seconds=60),
    CallClass.DOWNLOAD: timedelta(seconds=60),
}
# Replicas that were refused together do not come back together.
_JITTER_SECONDS: Final = 0.010
# Who would have to wait longer does not wait here: a lane kept by a paused instance is lost to all
# others. The next turns of one that is not paused are nearer.
_LONGEST_IN_HAND_SECONDS: Final = 2.0
_JITTER_FAR_OFF_SECONDS: Final = 1.0


class Budget(Protocol):
    """The rows that say when the next call may leave."""

    async def take(self, instance: InstanceKey, *, ahead: timedelta) -> Turn: ...


@dataclass(frozen=True, slots=True)
class BudgetPermits:
    """Books turns; the answer to `shared.amc.permits.Permits`."""

    budget: Budget
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    is_shared: bool = False
    """Whether those who ask together share a round trip: then only refused ones form a line."""
    _askers: dict[tuple[InstanceKey, CallClass], asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )

    async def take(self, instance: InstanceKey, call_class: CallClass) -> Permit:
        """Book the next turn, waiting to be allowed to. For a submission TurnFarOff if that takes
        seconds; polls and downloads book so far ahead that nobody stands behind them for long."""
        line = self._askers[instance, call_class]
        turn: Turn | None = None
        if self.is_shared and not line.locked():
            turn = await self.budget.take(instance, ahead=_AHEAD[call_class])
        if turn is None or not turn.granted:
            async with line:
                turn = await self._granted(turn, instance, call_class)
        PERMITS.labels("taken").inc()
        return self._permit(turn, instance, call_class)

    async def _granted(
        self, turn: Turn | None, instance: InstanceKey, call_class: CallClass
    ) -> Turn:
        while True:
            if turn is not None:
                await self._wait_to_ask(turn, call_class)
            turn = await self.budget.take(instance, ahead=_AHEAD[call_class])
            if turn.granted:
                return turn

    async def _wait_to_ask(self, refused: Turn, call_class: CallClass) -> None:
        seconds = max(0.0, refused.latest - self.clock())
        if call_class is CallClass.SUBMIT and seconds > _LONGEST_IN_HAND_SECONDS:
            raise _far_off(seconds)
        jitter = random.uniform(0, _JITTER_SECONDS)  # noqa: S311 (not a secret)
        await self.sleep(seconds + jitter)

    def _permit(self, turn: Turn, instance: InstanceKey, call_class: CallClass) -> Permit:
        async def again() -> Permit:
            PERMITS.labels("missed").inc()
            return await self.take(instance, call_class)

        return Permit.booked(
            earliest=turn.earliest,
            latest=turn.latest,
            clock=self.clock,
            sleep=self.sleep,
            again=again,
        )


def _far_off(seconds: float) -> TurnFarOff:
    jitter = random.uniform(0, _JITTER_FAR_OFF_SECONDS)  # noqa: S311 (not a secret)
    return TurnFarOff(
        f"The next turn to call AMC is {seconds:.0f} s away.",
        wait=timedelta(seconds=seconds + jitter),
    )
