"""Pages, exports and removal."""

import io
import json
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet
import pytest
from pydantic_core import to_json

from shared.db.results import export
from shared.db.results import parquet as parquet_export
from shared.db.results.export import export_csv, export_json_lines
from shared.db.results.page_json import read_json_page
from shared.db.results.pages import read_page
from shared.db.results.parquet import export_parquet
from shared.db.results.retention import drop_result
from shared.db.results.stored import StoredResult, find_result
from shared.domain.errors import NotFound
from tests.integration.results.world import World, everything

DECLARED = [
    ("big", "LONG"),
    ("dec", "DECIMAL"),
    ("dbl", "DOUBLE"),
    ("day", "DATE"),
    ("at", "TIMESTAMP"),
    ("yes", "BOOLEAN"),
    ("word", "STRING"),
]
TYPED = (
    b"big,dec,dbl,day,at,yes,word\n"
    b'9007199254740993,1.50,0.1,2026-01-31,2026-01-31 10:00:00.5,true,"a, ""b""\n"\n'
    b'-1,0.1234567890123456789,NaN,1999-12-31,2026-01-31 10:00:00,false,""\n'
    b",,,,,,\n"
)


@pytest.fixture(params=[0, 10_000_000], ids=["own table", "shared table"])
async def typed(world: World, request: pytest.FixtureRequest) -> StoredResult:
    loaded = await world.load(
        await world.workflow(), TYPED, declared=DECLARED, own_table_bytes=request.param
    )
    return await find_result(world.database, loaded.execution_id)


async def numbers(world: World, count: int, *, own_table_bytes: int = 10_000_000) -> StoredResult:
    data = "x\n" + "".join(f"{number}\n" for number in range(1, count + 1))
    loaded = await world.load(
        await world.workflow(), data.encode(), own_table_bytes=own_table_bytes
    )
    return await find_result(world.database, loaded.execution_id)


async def parquet(world: World, result: StoredResult) -> pa.Table:
    data = await everything(export_parquet(world.database, result))
    return pa.parquet.read_table(io.BytesIO(data))


async def test_a_page_holds_what_json_can_say(world: World, typed: StoredResult) -> None:
    page = await read_page(world.database, typed)

    assert [column.name for column in page.columns] == [name for name, _ in DECLARED]
    assert page.rows == [
        [9007199254740993, 1.5, 0.1, "2026-01-31", "2026-01-31T10:00:00.5", True, 'a, "b"\n'],
        [-1, "0.1234567890123456789", "NaN", "1999-12-31", "2026-01-31T10:00:00", False, ""],
        [None] * 7,
    ]
    assert page.next_after is None
    json.dumps(page.rows, allow_nan=False)


def file_of(values: list[str]) -> bytes:
    """A file whose one column has these values."""
    return "".join('"' + value.replace('"', '""') + '"\n' for value in ["x", *values]).encode()


ODD = {
    "LONG": ["0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808"],
    "DOUBLE": [
        *("0", "-0", "1", "-1", "1.50", "0.1", "NaN", "Infinity", "-Infinity", "1e-7", "1e-320"),
        *("123456789012345", "999999999999999", "1e15", "1e16", "-1e15", "1e22", "1e300"),
        *("0.30000000000000004", "1.7976931348623157e308", "5e-324", "100000.5", "1e5"),
    ],
    "DECIMAL": ["1.50", "1.00", "0.1234567890123456789", "NaN", "9007199254740993", "1e400"],
    "DATE": ["2026-01-31", "0001-01-01", "9999-12-31", "infinity", "-infinity", "10000-01-01"],
    "TIMESTAMP": [
        *("2026-01-31 10:00:00", "2026-01-31 10:00:00.5", "2026-01-31T10:00:00.000001"),
        *(
            "0001-01-01 00:00:00",
            "9999-12-31 23:59:59.999999",
            "infinity",
            "0044-03-15 00:00:00 BC",
        ),
    ],
    "BOOLEAN": ["true", "false", "t"],
    "STRING": [
        *("", "null", 'a, "b"\n', "tab\there", "back\\slash", "\x01\x1f\x7f\x80", "é ブ 🙂"),
        *("\u2028\u2029", "</script>", "{}", "[1]", "\r\n", " ", "\\u0041", "-0", "x" * 5_000),
    ],
}


@pytest.mark.parametrize("kind", ODD)
async def test_postgres_writes_a_page_as_python_would(world: World, kind: str) -> None:
    data = file_of(ODD[kind])
    loaded = await world.load(await world.workflow(), data, declared=[("x", kind)])
    result = await find_result(world.database, loaded.execution_id)

    read = await read_page(world.database, result, limit=1000)
    written = await read_json_page(world.database, result, limit=1000)

    expected = json.loads(to_json(read.rows))
    assert len(expected) == len(ODD[kind])
    assert repr(json.loads(written.items)) == repr(expected)
    assert (written.columns, written.next_after, written.row_count) == (
        read.columns,
        read.next_after,
        read.row_count,
    )


@pytest.mark.parametrize("width", [1, 2, 100, 101, 600])
async def test_rows_of_any_width_are_written(world: World, width: int) -> None:
    header = ",".join(f"c{number}" for number in range(width))
    values = ",".join(str(number) for number in range(width))
    loaded = await world.load(await world.workflow(), f"{header}\n{values}\n{values}\n".encode())
    result = await find_result(world.database, loaded.execution_id)

    page = await read_json_page(world.database, result)

    assert json.loads(page.items) == [list(range(width))] * 2


async def test_written_pages_follow_each_other_to_the_end(world: World) -> None:
    result = await numbers(world, 7)

    pages = [
        await read_json_page(world.database, result, after=after, limit=3)
        for after in (0, 3, 6, 7, 10**30)
    ]

    assert [page.next_after for page in pages] == [3, 6, None, None, None]
    assert [json.loads(page.items) for page in pages] == [
        [[1], [2], [3]],
        [[4], [5], [6]],
        [[7]],
        [],
        [],
    ]


async def test_pages_follow_each_other_to_the_end(world: World) -> None:
    result = await numbers(world, 7)

    first = await read_page(world.database, result, limit=3)
    second = await read_page(world.database, result, after=3, limit=3)
    third = await read_page(world.database, result, after=6, limit=3)

    assert [first.next_after, second.next_after, third.next_after] == [3, 6, None]
    assert [row[0] for page in (first, second, third) for row in page.rows] == list(range(1, 8))


async def test_a_cursor_beyond_the_end_is_an_empty_page(world: World) -> None:
    page = await read_page(world.database, await numbers(world, 2), after=10**30)

    assert (page.rows, page.next_after) == ([], None)


async def test_a_page_uses_the_index(world: World) -> None:
    result = await numbers(world, 20_000)
    await world.database.execute(f"analyze results.{result.table_name}")
    rows = await world.database.fetch(
        f"explain select x from only results.{result.table_name}"
        f" where e = {result.execution_no} and n > 9000 and n <= 9100 order by n"
    )

    assert "Index" in "\n".join(row[0] for row in rows)


async def test_a_page_of_a_new_own_table_uses_the_index_at_once(world: World) -> None:
    result = await numbers(world, 100_000, own_table_bytes=1)

    rows = await world.database.fetch(
        f"explain select x from only results.{result.table_name}"
        f" where e = {result.execution_no} and n > 90000 and n <= 90100 order by n"
    )

    assert "Index" in "\n".join(row[0] for row in rows)


async def test_csv_is_the_file_again(world: World, typed: StoredResult) -> None:
    assert await everything(export_csv(world.database, typed)) == TYPED


async def test_json_lines_keep_every_digit(world: World, typed: StoredResult) -> None:
    lines = (await everything(export_json_lines(world.database, typed))).decode().splitlines()

    assert json.loads(lines[0])["word"] == 'a, "b"\n'
    assert '"dec":0.1234567890123456789,"dbl":"NaN","day":"1999-12-31"' in lines[1]
    assert json.loads(lines[2]) == dict.fromkeys([name for name, _ in DECLARED])


async def test_parquet_has_types(world: World, typed: StoredResult) -> None:
    table = await parquet(world, typed)

    assert [str(field.type) for field in table.schema] == [
        "int64", "decimal128(20, 19)", "double", "date32[day]", "timestamp[us]", "bool", "string",
    ]  # fmt: skip
    assert table.column("big").to_pylist() == [9007199254740993, -1, None]
    assert str(table.column("dec")[1]) == "0.1234567890123456789"
    assert table.column("yes").to_pylist() == [True, False, None]
    assert table.column("word").to_pylist() == ['a, "b"\n', "", None]


async def test_row_groups_meet_without_gap(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    result = await numbers(world, 95)
    monkeypatch.setattr(parquet_export, "ROW_GROUP_BYTES", 10 * result.mean_row_bytes)

    table = await parquet(world, result)

    assert table.column("x").to_pylist() == list(range(1, 96))


async def test_numbers_too_wide_for_a_decimal_are_text(world: World) -> None:
    loaded = await world.load(
        await world.workflow(),
        b"a,b,c\n1e60,NaN,\n0.001,1,\n",
        declared=[("a", "DECIMAL"), ("b", "DECIMAL"), ("c", "DECIMAL")],
    )
    result = await find_result(world.database, loaded.execution_id)

    table = await parquet(world, result)

    assert [str(field.type) for field in table.schema] == ["string", "string", "decimal128(1, 0)"]
    assert table.column("b").to_pylist() == ["NaN", "1"]


async def test_keys_are_distinct_whatever_the_header_says(world: World) -> None:
    long = "long " * 20
    loaded = await world.load(await world.workflow(), f"x,x,x_2,,{long}\n1,2,3,4,5\n".encode())
    result = await find_result(world.database, loaded.execution_id)

    [line] = (await everything(export_json_lines(world.database, result))).splitlines()
    assert sorted(json.loads(line).values()) == [1, 2, 3, 4, 5]
    text = await everything(export_csv(world.database, result))
    assert text.decode().startswith(f"x,x,x_2,,{long}\n")


@pytest.mark.parametrize("sorted_rows", [4, 16_000])
@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 1000])
async def test_windows_meet_without_gap(
    world: World, monkeypatch: pytest.MonkeyPatch, rows: int, sorted_rows: int
) -> None:
    result = await numbers(world, rows)
    monkeypatch.setattr(export, "WINDOW_BYTES", 10 * result.mean_row_bytes)
    monkeypatch.setattr(export, "_SORTED_ROWS", sorted_rows)

    text = await everything(export_csv(world.database, result))

    assert text.decode().split() == ["x", *(str(number) for number in range(1, rows + 1))]


async def test_an_empty_result_has_empty_exports(world: World) -> None:
    loaded = await world.load(await world.workflow(), b"x,y\n")
    result = await find_result(world.database, loaded.execution_id)

    assert await everything(export_csv(world.database, result)) == b"x,y\n"
    assert await everything(export_json_lines(world.database, result)) == b""
    assert (await parquet(world, result)).column_names == ["x", "y"]
    assert (await read_page(world.database, result)).rows == []


@pytest.mark.parametrize("own_table_bytes", [0, 10_000_000])
async def test_a_removed_result_is_gone_for_every_reader(
    world: World, own_table_bytes: int
) -> None:
    result = await numbers(world, 10, own_table_bytes=own_table_bytes)

    assert await drop_result(world.database, result.execution_id)
    assert await drop_result(world.database, result.execution_id)

    with pytest.raises(NotFound):
        await find_result(world.database, result.execution_id)
    for read in (read_page, read_json_page):
        with pytest.raises(NotFound):
            await read(world.database, result)
    for stream in (export_csv, export_json_lines, export_parquet):
        with pytest.raises(NotFound):
            await everything(stream(world.database, result))
    assert await world.database.fetchval('select count(*) from results."spend by week"') == 0


async def test_a_result_removed_in_mid_stream_is_no_short_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = await numbers(world, 100)
    monkeypatch.setattr(export, "WINDOW_BYTES", 10 * result.mean_row_bytes)
    stream = export_csv(world.database, result)
    await anext(stream)
    await anext(stream)

    await drop_result(world.database, result.execution_id)

    with pytest.raises(NotFound):
        await anext(stream)


async def test_a_table_that_somebody_built_on_is_emptied(world: World) -> None:
    result = await numbers(world, 10, own_table_bytes=0)
    await world.database.execute(f"create view mine as select x from results.{result.table_name}")

    assert await drop_result(world.database, result.execution_id)
    assert await world.database.fetchval("select count(*) from mine") == 0


async def test_a_table_that_is_being_read_is_removed_later(world: World) -> None:
    result = await numbers(world, 10, own_table_bytes=0)
    async with world.database.transaction() as connection:
        await connection.fetch(f"select x from results.{result.table_name}")
        assert not await drop_result(world.database, result.execution_id)

    assert len((await read_page(world.database, result)).rows) == 10


async def test_removing_what_was_never_stored_changes_nothing(world: World) -> None:
    assert await drop_result(world.database, uuid4())
