"""Timers: everything that must happen later is a row here, and no process keeps time itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from shared.db.pool import Database
from shared.db.queries import load

_SQL = load("timers")

ALL: Final = timedelta(days=36_500)
"""However long ago."""


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer whose time has come, moved on by its guard."""

    key: str
    command: Mapping[str, Any]
    due_at: datetime | None = None
    """When it fires again; `disarm` with this value leaves one alone that was armed since."""


@dataclass(frozen=True, slots=True)
class Timers:
    """The repository of timers."""

    database: Database

    async def due(self, kinds: Sequence[str], *, back: timedelta = ALL) -> list[str]:
        """Those of these kinds of which a timer came due within `back`."""
        rows = await self.database.fetch(_SQL["due_kinds"], kinds, back)
        return [row["kind"] for row in rows]

    async def fire(
        self,
        kind: str,
        *,
        message_type: str,
        guard: timedelta,
        limit: int,
        back: timedelta = ALL,
    ) -> int:
        """Write the commands of timers that came due within `back` to the outbox; how many."""
        rows = await self.database.fetch(_SQL["fire"], kind, limit, guard, message_type, back)
        return len(rows)

    async def take_due(self, kind: str, *, guard: timedelta, limit: int) -> list[DueTimer]:
        """Due timers whose work the caller does itself, then disarms."""
        rows = await self.database.fetch(_SQL["take_due"], kind, limit, guard)
        return [DueTimer(row["key"], row["command"], row["due_at"]) for row in rows]

    async def arm(
        self, kind: str, key: str, *, wait: timedelta, command: Mapping[str, Any]
    ) -> None:
        """Set it; an earlier time that is already set stays."""
        await self.database.execute(_SQL["arm"], kind, key, wait, dict(command))

    async def disarm(self, kind: str, key: str, *, seen: datetime | None = None) -> None:
        """Take it away; given `seen`, only if nobody has armed it since."""
        await self.database.execute(_SQL["disarm"], kind, key, seen)
