"""The rate budget: one row for each instance says when the next call may leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.db.pool import Database
from shared.db.queries import load
from shared.domain.ids import InstanceKey

_SQL = load("rate_budget")


@dataclass(frozen=True, slots=True)
class RateBudgets:
    """The repository of rate budgets."""

    database: Database

    async def take(self, instance: InstanceKey, *, ahead: timedelta) -> tuple[bool, float]:
        """(granted, seconds): booked, send after that many; or not booked, ask again after them."""
        (found,) = await self.take_all([instance], ahead=ahead)
        return found

    async def take_all(
        self, instances: Sequence[InstanceKey], *, ahead: timedelta
    ) -> list[tuple[bool, float]]:
        """The same for several instances in one round trip, in the order asked for."""
        order = sorted(range(len(instances)), key=instances.__getitem__)
        rows = await self.database.fetch(
            _SQL["take_permit"], [instances[place] for place in order], ahead
        )
        found = [(False, 1.0)] * len(instances)
        for place, row in zip(order, rows, strict=True):
            found[place] = row["granted"], row["seconds"]
        return found

    async def pause(self, instance: InstanceKey, wait: timedelta) -> None:
        """AMC said 429: nobody calls this instance before `wait` is over."""
        await self.database.execute(_SQL["pause"], instance, wait)
