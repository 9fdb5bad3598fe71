"""Files become rows, whole or not at all."""

import asyncio
import hashlib
import threading

import pytest

from shared.db.results.load import ResultLoader
from shared.db.results.order import DeclaredColumn, LoadOrder
from shared.db.results.stored import find_result
from shared.domain.errors import NotFound, ResultMalformed, ResultTooLarge, StaleTransition
from tests.integration.results.world import GatedPart, WatchedPart, World


async def test_a_file_becomes_rows_in_its_order(world: World) -> None:
    loaded = await world.load(await world.workflow(), b"name,clicks\nb,2\na,1\n")

    assert await world.rows(loaded) == [(1, "b", 2), (2, "a", 1)]
    assert (loaded.row_count, loaded.size_bytes, loaded.table_name[-3:]) == (2, 20, "_v1")


async def test_a_big_file_gets_a_table_of_its_own_that_inherits(world: World) -> None:
    parts = (b"name,clicks\nb,2\n", b"clicks,name\n1,a\n")
    loaded = await world.load(await world.workflow(), *parts, own_table_bytes=1)

    assert loaded.table_name.startswith("x")
    assert await world.rows(loaded) == [(1, "b", 2), (2, "a", 1)]
    parent = await world.database.fetchval("select table_name from result_versions")
    assert await world.database.fetchval(f"select count(*) from results.{parent}") == 2


async def test_the_execution_is_completed_with_everything_that_is_known(world: World) -> None:
    part = b"name\na\n"
    loaded = await world.load(await world.workflow(), part)

    execution = await world.database.fetchrow(
        "select * from workflow_executions where id = $1", loaded.execution_id
    )
    assert execution is not None
    assert execution["state"] == "completed"
    assert (execution["row_count"], execution["size_bytes"]) == (1, 7)
    assert execution["output_location"] == "s3://bucket/key"
    assert execution["result_table"] == loaded.table_name
    assert execution["lease_owner"] is execution["lease_until"] is None
    stored = await world.database.fetchrow("select * from result_parts")
    assert stored is not None
    assert tuple(stored)[1:] == (1, 7, hashlib.sha256(part).digest(), 1)


@pytest.mark.parametrize("own_table_bytes", [0, 1000])
@pytest.mark.parametrize(
    ("parts", "rows"),
    [
        ((b"",), 0),
        ((b"name,clicks\n",), 0),
        ((b"name,clicks",), 0),
        ((b"", b"name,clicks\na,1\n"), 1),
        ((), 0),
    ],
)
async def test_an_empty_result_is_a_result(
    world: World, parts: tuple[bytes, ...], rows: int, own_table_bytes: int
) -> None:
    loaded = await world.load(await world.workflow(), *parts, own_table_bytes=own_table_bytes)

    assert (loaded.row_count, loaded.version) == (rows, 1)
    assert len(await world.rows(loaded)) == rows


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfname,clicks\na,1\nb,\n",
        b"name,clicks\r\na,1\r\nb,\r\n",
        b"name,clicks\na,1\nb,",
        b"name,clicks\na,1\nb,\n\n\n",
        b"name,clicks\r\na,1\r\nb,\r\n\r\n",
        b'name,clicks\na,1\nb,""\n',
        b'\xef\xbb\xbf"name","clicks"\na,1\nb,\n',
    ],
)
async def test_files_are_read_as_people_write_them(world: World, data: bytes) -> None:
    loaded = await world.load(await world.workflow(), data)

    assert await world.rows(loaded) == [(1, "a", 1), (2, "b", None)]
    result = await find_result(world.database, loaded.execution_id)
    assert [column.key.source_name for column in result.columns] == ["name", "clicks"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_a_line_that_postgres_takes_for_the_end_is_a_value(world: World, end: bytes) -> None:
    data = end.join([b"word", b"a", b"\\.", b'"x', b"\\.", b'y"', b"\\.", b"z", b"\\."])
    loaded = await world.load(await world.workflow(), data)

    middle = f"x{end.decode()}\\.{end.decode()}y"
    assert [row[1] for row in await world.rows(loaded)] == ["a", "\\.", middle, "\\.", "z", "\\."]


async def test_such_a_line_among_several_columns_is_no_silent_end(world: World) -> None:
    with pytest.raises(ResultMalformed, match="line 3"):
        await world.load(await world.workflow(), b"a,b\n1,2\n\\.\n3,4\n")


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"a,b\n1,2\n1,2,3\n", "line 3"),
        (b"a,b\n1,2\n1\n", "line 3"),
        (b'a,b\n1,"2\n1,2\n', "line"),
        (b"a,b\n1,2\r\n1,2\n", "line 2"),
        (b"a,b\n1,2\n\n1,2\n", "line 3"),
    ],
)
async def test_what_is_no_csv_fails_with_the_line(world: World, data: bytes, where: str) -> None:
    with pytest.raises(ResultMalformed, match=f"part 2, {where}"):
        await world.load(await world.workflow(), b"a,b\n1,2\n", data)
    assert await world.relations() == []


async def test_parts_with_different_columns_fail_with_both_headers(world: World) -> None:
    with pytest.raises(ResultMalformed, match=r"'a', 'b'; part 2 has 'a', 'c'"):
        await world.load(await world.workflow(), b"a,b\n1,2\n", b"a,c\n1,2\n")


async def test_more_columns_than_a_table_takes_is_too_large(world: World) -> None:
    header = ",".join(f"c{number}" for number in range(1700)).encode()

    with pytest.raises(ResultTooLarge):
        await world.load(await world.workflow(), header)


@pytest.mark.parametrize("bad", [b"\xe9", b"\0", b"\xff\xfe"])
async def test_bytes_that_are_no_text_are_replaced_and_flagged(world: World, bad: bytes) -> None:
    loaded = await world.load(await world.workflow(), b"name,clicks\ncaf" + bad + b",1\n")

    [(_, name, clicks)] = await world.rows(loaded)
    assert str(name).startswith("caf\ufffd")
    assert clicks == 1
    result = await find_result(world.database, loaded.execution_id)
    assert loaded.replaced_characters
    assert result.replaced_characters


async def test_odd_headers_become_distinct_columns(world: World) -> None:
    long = "ü" * 40
    header = ["e", "N", "x", "X", "x", "", " ctid ", 'q"uo', "two\nlines", long, long + "2"]
    line = ",".join('"' + name.replace('"', '""') + '"' for name in header)
    loaded = await world.load(await world.workflow(), f"{line}\n{',' * 10}\n".encode())

    result = await find_result(world.database, loaded.execution_id)
    assert [column.key.source_name for column in result.columns] == header
    assert [column.name for column in result.columns] == [
        "e_", "N_", "x", "X_2", "x_3", "column_6", "ctid_", 'q"uo', "twolines",
        "ü" * 31, "ü" * 30 + "_2",
    ]  # fmt: skip


async def test_the_same_names_in_another_order_share_a_table(world: World) -> None:
    workflow = await world.workflow()
    first = await world.load(workflow, b"name,clicks\na,1\n")
    second = await world.load(workflow, b"clicks,name\n2,b\n")

    assert first.table_name == second.table_name
    assert await world.rows(second) == [(1, "b", 2)]
    result = await find_result(world.database, second.execution_id)
    assert [column.name for column in result.columns] == ["clicks", "name"]


async def test_a_table_whose_defaults_are_older_takes_results_too(world: World) -> None:
    workflow = await world.workflow()
    loaded = await world.load(workflow, b"name\na\n")
    await world.database.execute(
        f"alter table results.{loaded.table_name}"
        " alter e set default current_setting('amc.e')::bigint,"
        " alter n set default nextval(current_setting('amc.seq')::oid::regclass)"
    )

    again = await world.load(workflow, b"name\nb\nc\n")

    assert await world.rows(again) == [(1, "b"), (2, "c")]
    assert again.table_name == loaded.table_name


async def test_a_result_whose_columns_changed_is_a_new_version(world: World) -> None:
    workflow = await world.workflow()
    await world.load(workflow, b"name,clicks\na,1\n")
    second = await world.load(workflow, b"name,cost\nb,1.5\n")

    assert second.version == 2
    assert len(await world.rows(second)) == 1


@pytest.mark.parametrize("own_table_bytes", [0, 10_000_000])
async def test_loads_at_once_share_one_version_and_count_without_gaps(
    world: World, own_table_bytes: int
) -> None:
    workflow = await world.workflow()
    data = b"name,clicks\n" + b"a,1\n" * 3000
    loads = [world.load(workflow, data, own_table_bytes=own_table_bytes) for _ in range(8)]

    loaded = await asyncio.gather(*loads)

    assert {result.version for result in loaded} == {1}
    for result in loaded:
        assert [row[0] for row in await world.rows(result)] == list(range(1, 3001))


async def test_loads_of_many_shapes_at_once_do_not_wait_in_circles(world: World) -> None:
    workflow = await world.workflow()
    shapes = [f"a,c{number % 4}\nx,1\n".encode() for number in range(16)]
    loads = [
        world.load(workflow, shape, own_table_bytes=number % 3)
        for number, shape in enumerate(shapes)
    ]

    loaded = await asyncio.gather(*loads)

    assert sorted({result.version for result in loaded}) == [1, 2, 3, 4]


async def test_a_load_that_breaks_leaves_nothing(world: World) -> None:
    workflow = await world.workflow()
    for own_table_bytes in (0, 1000):
        with pytest.raises(ResultMalformed):
            await world.load(workflow, b"a,b\n1,2\n1\n", own_table_bytes=own_table_bytes)

    assert await world.relations() == []
    for table in ("result_versions", "result_parts", "stored_results"):
        assert await world.database.fetchval(f"select count(*) from {table}") == 0


@pytest.mark.parametrize("own_table_bytes", [0, 1000])
async def test_a_worker_that_was_given_up_writes_nothing(
    world: World, own_table_bytes: int
) -> None:
    workflow = await world.workflow()
    old = await world.claim(workflow)
    await world.database.execute("update workflow_executions set lease_until = '-infinity'")
    new = await world.claim_again(old)

    with pytest.raises(StaleTransition):
        await world.load_claimed(old, b"name\nold\n", own_table_bytes=own_table_bytes)

    assert await world.relations() == []
    loaded = await world.load_claimed(new, b"name\nnew\n", own_table_bytes=own_table_bytes)
    assert await world.rows(loaded) == [(1, "new")]


async def test_a_claim_lost_in_mid_load_takes_the_rows_with_it(world: World) -> None:
    claim = await world.claim(await world.workflow())
    part = GatedPart(b"name\n" + b"old\n" * 100_000)
    loading = asyncio.ensure_future(ResultLoader(world.database).load(LoadOrder(claim, [part])))
    await part.is_being_copied()
    await world.database.execute("update workflow_executions set fence = fence + 1")
    part.go_on()

    with pytest.raises(StaleTransition):
        await loading
    assert await world.relations() == []


async def test_a_load_that_is_cancelled_leaves_nothing(world: World) -> None:
    claim = await world.claim(await world.workflow())
    part = GatedPart(b"name\n" + b"old\n" * 100_000)
    loading = asyncio.ensure_future(ResultLoader(world.database).load(LoadOrder(claim, [part])))
    await part.is_being_copied()

    loading.cancel()
    part.go_on()

    with pytest.raises(asyncio.CancelledError):
        await loading
    assert await world.relations() == []


@pytest.mark.parametrize(("rows", "is_beside"), [(100, False), (100_000, True)])
async def test_only_what_takes_long_to_read_is_read_beside_the_event_loop(
    world: World, rows: int, is_beside: bool
) -> None:
    claim, part = (
        await world.claim(await world.workflow()),
        WatchedPart(b"name\n" + b"old\n" * rows),
    )
    order = LoadOrder(claim, [part], [DeclaredColumn("name", "STRING")])
    await ResultLoader(world.database).load(order)

    assert (threading.get_ident() not in part.readers) is is_beside


async def test_types_that_must_be_guessed_do_not_hold_up_the_event_loop(world: World) -> None:
    claim, part = await world.claim(await world.workflow()), WatchedPart(b"name\n1\n2\n")
    loaded = await ResultLoader(world.database).load(LoadOrder(claim, [part]))

    assert len(part.readers) == 2
    assert await world.rows(loaded) == [(1, 1), (2, 2)]


async def test_what_was_never_loaded_is_not_found(world: World) -> None:
    claim = await world.claim(await world.workflow())

    with pytest.raises(NotFound):
        await find_result(world.database, claim.execution_id)
