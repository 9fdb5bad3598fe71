"""The rate budget: one row for each instance says when the next call may leave."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from asyncpg import Record

from shared.db.pool import Database
from shared.db.queries import load
from shared.domain.ids import InstanceKey
from shared.domain.turns import DatabaseClock, Lead, Turn

_SQL = load("rate_budget")


@dataclass(frozen=True, slots=True)
class RateBudgets:
    """The repository of rate budgets, as one process asks it."""

    database: Database
    clock: Callable[[], float] = time.monotonic
    _database_clock: DatabaseClock = field(default_factory=DatabaseClock)
    _lead: Lead = field(default_factory=Lead)

    async def take(self, instance: InstanceKey, *, ahead: timedelta) -> Turn:
        """Booked if the next turn is no farther off than `ahead`."""
        (found,) = await self.take_all([instance], ahead=ahead)
        return found

    async def take_all(self, instances: Sequence[InstanceKey], *, ahead: timedelta) -> list[Turn]:
        """The same for several instances in one round trip, in the order asked for."""
        order = sorted(range(len(instances)), key=instances.__getitem__)
        keys = [instances[place] for place in order]
        asked_at = self.clock()
        rows = await self.database.fetch(
            _SQL["take_permit"], keys, ahead, timedelta(seconds=self._lead.seconds)
        )
        answered_at = self.clock()
        self._lead.learn(answered_at - asked_at)
        for row in rows:
            self._database_clock.learn(row["told_at"], asked_at=asked_at, answered_at=answered_at)
        turns = dict(zip(order, map(self._turn, rows), strict=True))
        return [turns[place] for place in range(len(instances))]

    async def pause(self, instance: InstanceKey, wait: timedelta) -> None:
        """AMC said 429: nobody calls this instance before `wait` is over."""
        await self.database.execute(_SQL["pause"], instance, wait)

    def _turn(self, row: Record) -> Turn:
        earliest, latest = self._database_clock.bounds_of(row["at"])
        return Turn(row["granted"], earliest, latest)
