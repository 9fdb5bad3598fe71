"""Executions whose results lie ready, and the plain tables of the rival."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from benchmarks.load_data import Column
from benchmarks.world import World, make_world
from shared.db.pool import open_database
from shared.domain.ids import new_uuid
from shared.security.keys import new_stack_keys

_INSERT: Final = """
insert into workflow_executions (id, workflow_id, amc_workflow_id, instance_id, account_id, state,
       owner, lane, turn, request_id, time_window_type, time_zone, deadline_seconds,
       amc_execution_id, admitted_at, submitted_at, lease_until, output_columns)
select id, $2, $3, $4, $5, 'downloading', 'bench', 'bench', 1, 'bench', 'MOST_RECENT_WEEK', 'UTC',
       3600, id::text, clock_timestamp(), clock_timestamp(), clock_timestamp(), $6::jsonb
  from unnest($1::uuid[]) id
"""


async def ready_executions(database_url: str, count: int, columns: Sequence[Column]) -> list[UUID]:
    """Executions of one workflow in `downloading` that nobody has claimed."""
    ids = [new_uuid() for _ in range(count)]
    async with open_database(database_url, service="bench") as database:
        world = await make_world(
            database, access_token_key=new_stack_keys().access_token_key, instances=1
        )
        async with database.connection() as connection:
            await connection.execute(_INSERT, ids, *_where(world), declared(columns))
    return ids


def _where(world: World) -> tuple[UUID, str, int, int]:
    return (world.workflow, world.amc_workflow, *world.instances[0])


def declared(columns: Sequence[Column]) -> list[list[str]]:
    """As the poller stores what AMC says of a result."""
    return [[column.name, column.amc_type] for column in columns]


async def plain_table(database_url: str, name: str, columns: Sequence[Column]) -> None:
    """The same columns without number, key or index."""
    connection = await asyncpg.connect(database_url)
    try:
        listed = ", ".join(column.sql for column in columns)
        await connection.execute(f"create table {name} ({listed})")
    finally:
        await connection.close()
