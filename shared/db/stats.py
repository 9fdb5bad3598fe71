"""Figures about the whole system, by statements that stay cheap however long the history is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.db.pool import Database
from shared.db.queries import load
from shared.domain.clock import utc_now

_SQL = load("stats")

# Executions asked for longer ago are left out of "lately": a bound on what is read.
_LOOK_BACK = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class InstanceLoad:
    """What is going on at one instance now."""

    instance_id: str
    max_concurrent_executions: int
    in_use: int
    queued: int
    oldest_queued_seconds: float
    paused: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """The whole system at one moment. Waits are of the last hour's admissions."""

    states: Mapping[str, int]
    last_day: Mapping[str, int]
    instances: tuple[InstanceLoad, ...]
    token_refreshes: int
    broken_credentials: int
    outbox_messages: int
    outbox_oldest_seconds: float
    queue_wait_p50_seconds: float | None
    queue_wait_p95_seconds: float | None
    parked_messages: int = 0
    """Those that wait for a person."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The repository of figures."""

    database: Database

    async def figures(self, *, now: datetime | None = None) -> Figures:
        """All of them, read one after the other on one connection."""
        oldest = _first_id_of((now or utc_now()) - _LOOK_BACK)
        async with self.database.connection() as connection:
            states = await connection.fetch(_SQL["count_by_state"])
            last_day = await connection.fetch(_SQL["finished_last_day"], oldest)
            loads = await connection.fetch(_SQL["load_by_instance"])
            rest = await connection.fetchrow(_SQL["other_figures"])
            waits = await connection.fetchrow(_SQL["queue_waits"], oldest)
        return Figures(
            states={row["state"]: row["n"] for row in states},
            last_day={row["state"]: row["n"] for row in last_day},
            instances=tuple(InstanceLoad(**dict(row)) for row in loads),
            **dict(rest or {}),
            **dict(waits or {}),
        )


def _first_id_of(moment: datetime) -> UUID:
    """The smallest UUID of version 7 made at this moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
