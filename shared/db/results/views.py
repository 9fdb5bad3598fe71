"""One view for each workflow: all its results, whatever versions they were loaded as.

People and BI tools read it. A column has the widest type it ever had and is null where a version
does not have it; `e` is the execution's number and `n` the row's place. A view that cannot be
changed right now, because somebody reads it, is left for later: a waiting change would make every
new reader wait behind it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from shared.db.pool import Connection, Database
from shared.db.queries import load
from shared.db.results.identifiers import (
    clean_name,
    column_names,
    distinct_name,
    in_results,
    quote_ident,
)
from shared.db.results.types import TEXT
from shared.db.results.versions import Version, remembered_types, versions_of

_SQL = load("results_views")
# The names of version tables and own tables, and of what Postgres derives from them.
_TABLE_NAME: Final = re.compile(r"(?:w\d+_v|x)\d+", re.IGNORECASE)


async def refresh_view(database: Database, workflow_id: UUID) -> bool:
    """Make the view show every version; False if that cannot be done now, and it stays behind."""
    if not await database.fetchval(_SQL["is_view_stale"], workflow_id):
        return True
    async with database.transaction() as connection:
        try:
            async with connection.transaction():
                await _refresh(connection, workflow_id)
        except (asyncpg.LockNotAvailableError, asyncpg.ProgramLimitExceededError):
            # The second: more columns over all versions than a view may have.
            return False
    return True


async def refresh_stale_views(database: Database) -> int:
    """Try all views that lack a version; how many still do. For a timer, every minute or so."""
    rows = await database.fetch(_SQL["stale_views"])
    done = [await refresh_view(database, row["workflow_id"]) for row in rows]
    return done.count(False)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a view should look like."""

    definition: str
    last_version: int


async def _refresh(connection: Connection, workflow_id: UUID) -> None:
    await connection.execute(_SQL["limit_lock_wait"])
    await connection.execute(_SQL["one_at_a_time"])
    versions = await versions_of(connection, workflow_id)
    shape = _Shape(definition_of(versions), versions[-1].version)
    current = await connection.fetchrow(_SQL["current_view"], workflow_id)
    if current is None:
        await _create(connection, workflow_id, shape, retiring=None)
    elif current["definition"] != shape.definition:
        await _change(connection, workflow_id, shape, name=current["view_name"])


def definition_of(versions: Sequence[Version]) -> str:
    """The query of the view over these versions."""
    types = remembered_types(versions)
    names = dict(zip(types, column_names([key.source_name for key in types]), strict=True))
    arms = []
    for version in versions:
        stored = {column.key: column for column in version.columns}
        values = [
            _cast(stored[key].name, stored[key].data_type, kind)
            if key in stored
            else f"null::{kind or TEXT}"
            for key, kind in types.items()
        ]
        shown = [
            f", {value} as {quote_ident(name)}"
            for value, name in zip(values, names.values(), strict=True)
        ]
        arms.append(f"select e, n{''.join(shown)} from {in_results(version.table_name)}")  # noqa: S608 - quoted
    return " union all ".join(arms)


def _cast(name: str, kind: str, wanted: str) -> str:
    """The column as the view shows it, losing nothing."""
    column = quote_ident(name)
    if kind == wanted:
        return column if kind else f"null::{TEXT}"
    if not kind:
        return f"null::{wanted}"
    if kind == "double precision" and wanted == "numeric":
        # The direct cast keeps 15 digits of a double's 17.
        return f"{column}::text::numeric"
    return f"{column}::{wanted}"


async def _create(
    connection: Connection, workflow_id: UUID, shape: _Shape, *, retiring: str | None
) -> None:
    """A new view under a free name, made from the workflow's."""
    workflow = await connection.fetchval(_SQL["workflow_name"], workflow_id)
    base = retiring or _view_base(workflow)
    rows = await connection.fetch(_SQL["names_in_results"])
    name = distinct_name(base, {row["name"] for row in rows})
    await connection.execute(f"create view {in_results(name)} as {shape.definition}")
    await connection.execute(
        _SQL["record_view"], name, workflow_id, shape.definition, shape.last_version
    )


def _view_base(workflow_name: str) -> str:
    """The workflow's name, unless it could be that of one of our tables."""
    base = clean_name(workflow_name) or "workflow"
    return f"{base}_" if _TABLE_NAME.match(base) else base


async def _change(connection: Connection, workflow_id: UUID, shape: _Shape, *, name: str) -> None:
    """In place if columns are only added; else anew with its grants; else beside the old one."""
    for attempt in (_replace, _rebuild):
        try:
            async with connection.transaction():
                await attempt(connection, name, shape.definition)
                await connection.execute(
                    _SQL["update_view"], name, shape.definition, shape.last_version
                )
        except (asyncpg.InvalidTableDefinitionError, asyncpg.DependentObjectsStillExistError):
            continue
        return
    # Somebody's own view hangs on it: that one stays right for what it shows.
    await connection.execute(_SQL["retire_view"], name)
    await _create(connection, workflow_id, shape, retiring=name)


async def _replace(connection: Connection, name: str, definition: str) -> None:
    await connection.execute(f"create or replace view {in_results(name)} as {definition}")


async def _rebuild(connection: Connection, name: str, definition: str) -> None:
    grants = await connection.fetch(_SQL["grants"], name)
    await connection.execute(f"drop view {in_results(name)}")
    await connection.execute(f"create view {in_results(name)} as {definition}")
    for grant in grants:
        await connection.execute(
            f"grant {grant['privilege_type']} on {in_results(name)} to {grant['grantee']}"
            f"{' with grant option' if grant['is_grantable'] else ''}"
        )
