"""Turns in the rate budgets of many instances, booked in one round trip.

Each budget row is locked and its clock read as for one alone; only the answers travel together.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from shared.domain.ids import InstanceKey
from shared.domain.turns import Turn
from shared.runtime.gathering import Gathering

_LINGER_SECONDS: Final = 0.005
"""Under load, for company: who books together also records intents together."""
_ENOUGH: Final = 32
"""As many as are claimed and bound together."""


class Budgets(Protocol):
    """The rows that say when the next call may leave."""

    async def take_all(
        self, instances: Sequence[InstanceKey], *, ahead: timedelta
    ) -> list[Turn]: ...


class _Asked(NamedTuple):
    ahead: timedelta
    instance: InstanceKey


@dataclass(frozen=True, slots=True)
class _Step:
    budgets: Budgets

    async def __call__(self, asked: Sequence[_Asked]) -> list[Turn]:
        found: list[Turn] = []
        for ahead, same in groupby(asked, key=lambda each: each.ahead):
            found += await self.budgets.take_all([each.instance for each in same], ahead=ahead)
        return found


@dataclass(frozen=True, slots=True)
class GatheredBudget:
    """A budget for `BudgetPermits`; `run` must run for anybody to be served."""

    _line: Gathering[_Asked, Turn] = field()

    @classmethod
    def over(cls, budgets: Budgets) -> "GatheredBudget":
        """The same rows, asked together."""
        return cls(Gathering(_Step(budgets), linger=_LINGER_SECONDS, enough=_ENOUGH))

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then whoever is still in line is served."""
        await self._line.run(stop)

    async def take(self, instance: InstanceKey, *, ahead: timedelta) -> Turn:
        """As `RateBudgets.take` says."""
        return await self._line.ask(_Asked(ahead, instance))
