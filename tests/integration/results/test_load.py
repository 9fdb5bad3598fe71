"""Files become rows."""

from tests.integration.results.world import World


async def test_a_file_becomes_rows_in_its_order(world: World) -> None:
    loaded = await world.load(await world.workflow(), b"name,clicks\nb,2\na,1\n")

    assert await world.rows(loaded) == [(1, "b", 2), (2, "a", 1)]
    assert (loaded.row_count, loaded.size_bytes) == (2, 20)


async def test_a_big_file_gets_a_table_of_its_own(world: World) -> None:
    loaded = await world.load(
        await world.workflow(), b"name,clicks\nb,2\n", b"clicks,name\n1,a\n", own_table_bytes=1
    )

    assert loaded.table_name.startswith("x")
    assert await world.rows(loaded) == [(1, "b", 2), (2, "a", 1)]
