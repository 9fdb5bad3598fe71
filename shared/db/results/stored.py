"""Finds where the rows of an execution stand."""

from dataclasses import dataclass
from uuid import UUID

from asyncpg import Record

from shared.db.pool import Database
from shared.db.queries import load
from shared.db.results.versions import StoredColumn, stored_columns
from shared.domain.errors import NotFound

_SQL = load("results")


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result that can be read: its table, and its columns in the order of its own header."""

    execution_id: UUID
    execution_no: int
    table_name: str
    row_count: int
    size_bytes: int
    columns: tuple[StoredColumn, ...]
    replaced_characters: bool

    @property
    def mean_row_bytes(self) -> int:
        """Of the CSV it came from, at least 1."""
        return max(self.size_bytes // max(self.row_count, 1), 1)


async def find_result(database: Database, execution_id: UUID) -> StoredResult:
    """NotFound if the execution has no result, or retention has removed it."""
    row = await database.fetchrow(_SQL["find_result"], execution_id)
    if row is None:
        raise NotFound("This execution has no stored result.", hint="Look at its status.")
    if row["dropped_at"] is not None:
        raise gone()
    return _stored(row)


def gone() -> NotFound:
    """The rows were there once."""
    return NotFound(
        "The rows of this result were removed when their time was over.",
        hint="Retry the execution to have AMC make the result again.",
    )


def _stored(row: Record) -> StoredResult:
    return StoredResult(
        execution_id=row["execution_id"],
        execution_no=row["execution_no"],
        table_name=row["table_name"],
        row_count=row["row_count"],
        size_bytes=row["size_bytes"],
        columns=stored_columns(row["columns"]),
        replaced_characters=row["replaced_characters"],
    )
