"""How far the log of events has been told to the outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from shared.db.pool import Database
from shared.db.queries import load

_SQL = load("telling")


@dataclass(frozen=True, slots=True)
class Told:
    """On whose behalf an execution runs, and of what."""

    owner: str
    tags: Mapping[str, str]
    request_id: str
    workflow_id: UUID
    amc_instance_id: str


@dataclass(frozen=True, slots=True)
class Telling:
    """The repository of the teller's position."""

    database: Database

    async def position(self) -> int:
        """Events up to this id have been told."""
        return int(await self.database.fetchval(_SQL["position"]))

    async def take_turn(self, *, lease: timedelta) -> int | None:
        """The position, if there is something to tell and nobody else is about to."""
        position = await self.database.fetchval(_SQL["take_turn"], self.database.relay_id, lease)
        return None if position is None else int(position)

    async def remember(self, last_id: int) -> None:
        """Never goes back."""
        await self.database.execute(_SQL["remember"], last_id)

    async def owners(self, executions: Sequence[UUID]) -> dict[UUID, Told]:
        """Of those executions that still exist."""
        rows = await self.database.fetch(_SQL["owners"], list(set(executions)))
        return {
            row["id"]: Told(
                row["owner"],
                row["tags"],
                row["request_id"],
                row["workflow_id"],
                row["amc_instance_id"],
            )
            for row in rows
        }
