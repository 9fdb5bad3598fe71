"""Removes the rows of a result; the execution and its history stay."""

from uuid import UUID

import asyncpg

from shared.db.pool import Connection, Database
from shared.db.queries import load
from shared.db.results.identifiers import in_results

_SQL = load("results")
_DELETE_SECONDS = 600.0


async def drop_result(database: Database, execution_id: UUID) -> bool:
    """Remove the rows; False if somebody reads the table now and it must be tried again.

    Done already, or never stored, is True. A reader in the middle of a stream gets NotFound.
    """
    async with database.transaction() as connection:
        try:
            async with connection.transaction():
                await _drop(connection, execution_id)
        except asyncpg.LockNotAvailableError:
            return False
    return True


async def _drop(connection: Connection, execution_id: UUID) -> None:
    await connection.execute(_SQL["limit_lock_wait"])
    row = await connection.fetchrow(_SQL["mark_dropped"], execution_id)
    if row is None:
        return
    await connection.execute(_SQL["forget_table"], execution_id)
    if row["table_name"] == f"x{row['execution_no']}":
        await _drop_table(connection, row["table_name"])
        return
    await connection.execute(_SQL["allow_long_delete"])
    await connection.execute(
        f"delete from only {in_results(row['table_name'])} where e = $1",  # noqa: S608 - quoted
        row["execution_no"],
        timeout=_DELETE_SECONDS,
    )


async def _drop_table(connection: Connection, table: str) -> None:
    try:
        async with connection.transaction():
            await connection.execute(f"drop table {in_results(table)}")
    except asyncpg.DependentObjectsStillExistError:
        # Somebody built on this one table: the space comes back, the empty table stays.
        await connection.execute(f"truncate table {in_results(table)}")
