"""The tables of a workflow's results: one for each set of columns and types it ever had.

Created inside the load that needs it first. Others that need the same one wait at the unique
index for that load to end, without holding anything themselves, so any number of loads may begin
at once and none waits in a circle.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from asyncpg import Record

from shared.db.pool import Connection
from shared.db.queries import load
from shared.db.results.identifiers import ColumnKey, in_results, quote_ident
from shared.db.results.plan import PlannedColumn
from shared.db.results.types import EMPTY, TEXT, wider
from shared.domain.errors import DatabaseUnavailable

_SQL = load("results")
_MOST_ROUNDS: Final = 100

NUMBER: Final = "n bigint not null default nextval(loading_numbers_v1())"
"""The row's place in its file. COPY takes many rows at a time with no volatile default but this."""


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column as it stands in a table of results."""

    position: int
    key: ColumnKey
    name: str
    data_type: str

    @property
    def sql_type(self) -> str:
        """What the table really has."""
        return self.data_type or TEXT

    @property
    def definition(self) -> str:
        return f"{quote_ident(self.name)} {self.sql_type}"


@dataclass(frozen=True, slots=True)
class Version:
    """One table shared by the executions of a workflow whose columns and types are the same."""

    id: int
    version: int
    fingerprint: str
    table_name: str
    columns: tuple[StoredColumn, ...]


def fingerprint_of(columns: Sequence[PlannedColumn]) -> str:
    """The same for the same names and types in any order."""
    facts = sorted([*column.key, column.data_type] for column in columns)
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


async def versions_of(connection: Connection, workflow_id: UUID) -> tuple[Version, ...]:
    """All versions, the oldest first."""
    return stored_versions(await connection.fetch(_SQL["versions_of_workflow"], workflow_id))


def stored_versions(rows: Sequence[Mapping[str, Any]] | Sequence[Record]) -> tuple[Version, ...]:
    """Of rows of result_versions, each with its columns as jsonb."""
    return tuple(
        Version(
            row["id"],
            row["version"],
            row["fingerprint"],
            row["table_name"],
            stored_columns(row["columns"]),
        )
        for row in rows
    )


def remembered_types(versions: Sequence[Version]) -> dict[ColumnKey, str]:
    """For each column the widest type it ever had."""
    types: dict[ColumnKey, str] = {}
    for version in versions:
        for column in version.columns:
            types[column.key] = wider(types.get(column.key, EMPTY), column.data_type)
    return types


async def pick_version(
    connection: Connection, workflow_id: UUID, workflow_no: int, columns: Sequence[PlannedColumn]
) -> Version:
    """The version with these columns, made now if there is none; waits for one in the making."""
    fingerprint = fingerprint_of(columns)
    for _ in range(_MOST_ROUNDS):
        found = find_version(await versions_of(connection, workflow_id), fingerprint)
        if found is not None:
            return found
        row = await connection.fetchrow(
            _SQL["insert_version"], workflow_id, workflow_no, fingerprint
        )
        if row is not None:
            stored = tuple(
                StoredColumn(position, column.key, column.name, column.data_type)
                for position, column in enumerate(columns, start=1)
            )
            version = Version(row["id"], row["version"], fingerprint, row["table_name"], stored)
            await _create(connection, version)
            return version
    raise DatabaseUnavailable("Too many versions of one workflow's results are made at once.")


def find_version(versions: Sequence[Version], fingerprint: str) -> Version | None:
    """The one with these columns."""
    return next((version for version in versions if version.fingerprint == fingerprint), None)


async def _create(connection: Connection, version: Version) -> None:
    await connection.executemany(
        _SQL["insert_column"],
        [
            (version.id, column.position, *column.key, column.name, column.data_type)
            for column in version.columns
        ],
    )
    columns = "".join(f", {column.definition}" for column in version.columns)
    await connection.execute(
        f"create table {in_results(version.table_name)} ("
        "e bigint not null default loading_execution_v1(), "
        f"{NUMBER}{columns}, primary key (e, n))"
    )


def stored_columns(rows: Sequence[Mapping[str, Any]]) -> tuple[StoredColumn, ...]:
    """Of rows of result_columns as jsonb."""
    return tuple(
        StoredColumn(
            column["position"],
            ColumnKey(column["source_name"], column["occurrence"]),
            column["column_name"],
            column["data_type"],
        )
        for column in rows
    )
