"""One view for each workflow shows all its results."""

import asyncio
from uuid import UUID

import pytest

from shared.db.pool import Database, open_database
from shared.db.results.views import refresh_stale_views, refresh_view
from tests.integration.results.world import World


async def shown(database: Database, view: str, columns: str = "*") -> list[tuple[object, ...]]:
    rows = await database.fetch(f'select {columns} from results."{view}" order by e, n')
    return [tuple(row) for row in rows]


async def view_of(database: Database, workflow: UUID) -> str:
    name = await database.fetchval(
        "select view_name from result_views where workflow_id = $1 and retired_at is null", workflow
    )
    return str(name)


async def test_the_view_shows_all_versions_and_own_tables(world: World) -> None:
    workflow = await world.workflow()
    await world.load(workflow, b"name,clicks\na,1\n")
    await world.load(workflow, b"name,clicks,cost\nb,2.5,3\n", own_table_bytes=1)

    rows = await shown(world.database, "spend by week", "n, name, clicks::text, cost")
    assert rows == [(1, "a", "1", None), (1, "b", "2.5", 3)]


async def test_doubles_keep_their_digits_when_the_view_widens(world: World) -> None:
    workflow = await world.workflow()
    await world.load(workflow, b"x\n0.30000000000000004\n", declared=[("x", "DOUBLE")])
    await world.load(workflow, b"x\n1e400\n", declared=[("x", "DOUBLE")])

    [(first,), _] = await shown(world.database, "spend by week", "x::text")
    assert first == "0.30000000000000004"


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("w1_v1", "w1_v1_"),
        ("X4711", "X4711_"),
        ('a "quoted" name', 'a "quoted" name'),
        ("ü" * 50, "ü" * 31),
        ("\x01", "workflow"),
    ],
)
async def test_a_view_is_named_after_its_workflow(world: World, name: str, view: str) -> None:
    workflow = await world.workflow(name)
    await world.load(workflow, b"e,n\n1,2\n")

    assert await view_of(world.database, workflow) == view


async def test_two_workflows_of_one_name_have_two_views(world: World) -> None:
    first, second = await world.workflow("Spend"), await world.workflow("spend")

    await asyncio.gather(world.load(first, b"a\n1\n"), world.load(second, b"b\n2\n"))

    names = {await view_of(world.database, first), await view_of(world.database, second)}
    assert {name.lower() for name in names} == {"spend", "spend_2"}


async def test_grants_survive_a_change_of_types(world: World) -> None:
    workflow = await world.workflow()
    await world.load(workflow, b"x\n1\n")
    await world.database.execute('grant select on results."spend by week" to public')
    await world.load(workflow, b"x\nword\n")

    acl = await world.database.fetchval(
        "select relacl::text from pg_class where relname = 'spend by week'"
    )
    assert "=r/" in acl
    assert await shown(world.database, "spend by week", "x") == [("1",), ("word",)]


async def test_somebodys_own_view_is_left_alone(world: World) -> None:
    workflow = await world.workflow()
    await world.load(workflow, b"x\n1\n")
    await world.database.execute('create view mine as select sum(x) from results."spend by week"')
    await world.load(workflow, b"x,y\n2,1\n")
    await world.load(workflow, b"x,y\nword,1\n")

    assert await view_of(world.database, workflow) == "spend by week_2"
    assert await world.database.fetchval("select * from mine") == 3
    assert len(await shown(world.database, "spend by week_2")) == 3
    assert await refresh_view(world.database, workflow)


async def test_a_view_that_is_being_read_is_changed_later(world: World, database_url: str) -> None:
    workflow = await world.workflow()
    await world.load(workflow, b"x\n1\n")
    async with open_database(database_url, service="reader") as reader:
        async with reader.transaction() as connection:
            await connection.execute("set local idle_in_transaction_session_timeout = 0")
            await connection.fetch('select * from results."spend by week"')
            loaded = await world.load(workflow, b"x\nword\n")
            assert not await refresh_view(world.database, workflow)
        assert loaded.row_count == 1

        assert await refresh_stale_views(world.database) == 0
        assert len(await shown(world.database, "spend by week")) == 2
