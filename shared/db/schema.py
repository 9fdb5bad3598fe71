"""Which revision the schema is at, and which one this code was written for."""

from dataclasses import dataclass

from alembic.script import ScriptDirectory

from shared.db.migrate import configuration
from shared.db.pool import Database
from shared.db.queries import load

_SQL = load("schema")


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of one database."""

    database: Database

    async def revision(self) -> str | None:
        """None for a database that was never migrated."""
        if not await self.database.fetchval(_SQL["is_migrated"]):
            return None
        revision: str | None = await self.database.fetchval(_SQL["schema_revision"])
        return revision


def head_revision() -> str:
    """The newest migration that comes with this code."""
    return ScriptDirectory.from_config(configuration("")).get_current_head() or ""
