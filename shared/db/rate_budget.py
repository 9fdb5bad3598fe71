"""The rate budget: one row for each instance says when the next call may leave."""

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
        row = await self.database.fetchrow(_SQL["take_permit"], instance, ahead)
        if row is None:
            return False, 1.0
        return row["granted"], row["seconds"]

    async def pause(self, instance: InstanceKey, wait: timedelta) -> None:
        """AMC said 429: nobody calls this instance before `wait` is over."""
        await self.database.execute(_SQL["pause"], instance, wait)
