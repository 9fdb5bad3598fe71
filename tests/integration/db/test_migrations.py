"""The schema comes and goes by its migrations, each of them."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from deploy.local.databases import clone_database, drop_database
from shared.db.migrate import configuration, downgrade, upgrade
from shared.db.pool import open_database
from tests.integration.builders import make_execution, make_instance, make_workflow

REVISIONS = [
    script.revision
    for script in ScriptDirectory.from_config(configuration("")).walk_revisions("base", "head")
]


@pytest.fixture
async def empty_url(postgres_server: str) -> AsyncIterator[str]:
    """A database in which nothing has been made yet."""
    url = await clone_database(postgres_server, "template0")
    yield url
    await drop_database(postgres_server, url)


async def schema(url: str) -> list[tuple[str, ...]]:
    """Everything of ours that the catalogues know."""
    async with open_database(url, service="test", max_size=1) as database:
        rows = await database.fetch(
            """
            select 'relation', n.nspname || '.' || c.relname, c.relkind::text
              from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname in ('public', 'results') and c.relname not like 'alembic%'
            union all
            select 'function', p.proname, md5(p.prosrc)
              from pg_proc p join pg_namespace n on n.oid = p.pronamespace
             where n.nspname in ('public', 'results')
            union all
            select 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
              from pg_constraint
             where conrelid <> 0 and connamespace::regnamespace::text in ('public', 'results')
               and conrelid::regclass::text not like 'alembic%'
            union all
            select 'schema', nspname, '' from pg_namespace where nspname = 'results'
            order by 1, 2, 3
            """
        )
    return [tuple(row) for row in rows]


async def test_the_schema_goes_up_down_and_up_again_and_is_the_same(empty_url: str) -> None:
    await asyncio.to_thread(upgrade, empty_url)
    made = await schema(empty_url)

    await asyncio.to_thread(downgrade, empty_url, "base")
    left = await schema(empty_url)
    await asyncio.to_thread(upgrade, empty_url)

    assert left == []
    assert await schema(empty_url) == made
    assert len(made) > 100


async def test_the_schema_goes_up_and_down_one_migration_at_a_time(empty_url: str) -> None:
    seen = [await schema(empty_url)]
    for revision in reversed(REVISIONS):
        await asyncio.to_thread(upgrade, empty_url, revision)
        seen.append(await schema(empty_url))

    for before in reversed(seen[:-1]):
        await asyncio.to_thread(downgrade, empty_url, "-1")
        assert await schema(empty_url) == before


async def test_migrating_what_is_up_to_date_keeps_what_is_there(database_url: str) -> None:
    async with open_database(database_url, service="test") as database:
        execution = await make_execution(
            database, await make_instance(database), await make_workflow(database)
        )
        await asyncio.to_thread(upgrade, database_url)

        assert await database.fetchval("select id from workflow_executions") == execution


def test_every_migration_can_be_undone_and_says_what_it_makes() -> None:
    versions = Path("shared/db/migrations/versions")
    for path in versions.glob("[0-9]*.py"):
        text = path.read_text("utf-8")
        made = set(re.findall(r"create (?:function|table|view|sequence) (\w+)", text))
        dropped = set(
            re.findall(r"drop (?:function|table|view|sequence) (?:if exists )?(\w+)", text)
        )
        assert text.startswith('"""')
        assert made <= dropped | {"results"}
