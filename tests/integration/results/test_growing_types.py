"""Types are declared, remembered or guessed, and only ever grow."""

from collections.abc import Sequence

import pytest

from shared.db.results.order import LoadedResult
from shared.db.results.stored import find_result
from tests.integration.results.world import World

LATE = 25_000
"""Rows before the one that breaks: more than any sample looks at."""


async def types_of(world: World, loaded: LoadedResult) -> dict[str, str]:
    result = await find_result(world.database, loaded.execution_id)
    return {column.name: column.data_type for column in result.columns}


def late(first: str, last: str, rows: int = LATE) -> bytes:
    return ("x\n" + f"{first}\n" * rows + f"{last}\n").encode()


DECLARED = [
    ("LONG", "1", "bigint"),
    ("DECIMAL(38,4)", "1.50", "numeric"),
    ("DOUBLE", "1.5", "double precision"),
    ("DATE", "2026-01-31", "date"),
    ("TIMESTAMP", "2026-01-31 10:00:00", "timestamp"),
    ("BOOLEAN", "true", "boolean"),
    ("STRING", "1", "text"),
    ("ARRAY<STRING>", "[1]", "text"),
]


@pytest.mark.parametrize(("declared", "value", "stored"), DECLARED)
async def test_what_amc_declares_is_the_type(
    world: World, declared: str, value: str, stored: str
) -> None:
    loaded = await world.load(
        await world.workflow(), f"x\n{value}\n".encode(), declared=[("x", declared)]
    )

    assert await types_of(world, loaded) == {"x": stored}
    assert loaded.broken_types == ()


async def test_ids_stay_text_whatever_amc_declares(world: World) -> None:
    data = b"campaign_id,asin,clicks\n12,B0,1\n"
    declared = [("campaign_id", "LONG"), ("asin", "LONG"), ("clicks", "LONG")]
    loaded = await world.load(await world.workflow(), data, declared=declared)

    kinds = {"campaign_id": "text", "asin": "text", "clicks": "bigint"}
    assert await types_of(world, loaded) == kinds


async def test_an_undeclared_column_is_what_its_values_look_like(world: World) -> None:
    data = b"a,b,c,d,f,g,h,k\n1,1.5,1e3,2026-01-31,2026-01-31T10:00:00,true,007,1234567890123456\n"
    loaded = await world.load(await world.workflow(), data)

    assert list((await types_of(world, loaded)).values()) == [
        "bigint", "numeric", "double precision", "date", "timestamp", "boolean", "text", "text",
    ]  # fmt: skip


@pytest.mark.parametrize("own_table_bytes", [0, 10_000_000])
@pytest.mark.parametrize(
    ("declared", "first", "last", "becomes"),
    [
        ("LONG", "1", "2.5", "numeric"),
        ("LONG", "1", "9223372036854775808", "numeric"),
        ("LONG", "1", "many", "text"),
        ("DOUBLE", "1.5", "1e400", "numeric"),
        ("DATE", "2026-01-31", "2026-02-30", "text"),
        ("TIMESTAMP", "2026-01-31 10:00:00", 'soon: "now"', "text"),
        ("BOOLEAN", "true", "maybe", "text"),
        (None, "1", "2.5", "numeric"),
        (None, "2026-01-31", "unknown", "text"),
    ],
)
async def test_a_late_value_that_breaks_its_type_costs_a_second_load(
    world: World, declared: str | None, first: str, last: str, becomes: str, own_table_bytes: int
) -> None:
    declaration: Sequence[tuple[str, str]] = [("x", declared)] if declared else ()
    data = late(first, '"' + last.replace('"', '""') + '"')
    loaded = await world.load(
        await world.workflow(), data, declared=declaration, own_table_bytes=own_table_bytes
    )

    assert await types_of(world, loaded) == {"x": becomes}
    assert (loaded.broken_types, loaded.version, loaded.row_count) == (("x",), 1, LATE + 1)


async def test_an_early_value_that_breaks_its_type_costs_nothing(world: World) -> None:
    loaded = await world.load(await world.workflow(), b"x\n1\n2.5\n", declared=[("x", "LONG")])

    assert await types_of(world, loaded) == {"x": "numeric"}
    assert loaded.broken_types == ()


async def test_after_three_breaks_what_was_guessed_is_text(world: World) -> None:
    header = ",".join(f"c{number}" for number in range(6))
    rows = ["1,1,1,1,1,1\n"] * LATE
    rows += [",".join("1.5" if n == place else "1" for n in range(6)) + "\n" for place in range(3)]
    loaded = await world.load(
        await world.workflow(), f"{header}\n{''.join(rows)}".encode(), declared=[("c5", "LONG")]
    )

    assert loaded.broken_types == ("c0", "c1", "c2")
    assert list((await types_of(world, loaded)).values()) == ["text"] * 5 + ["bigint"]


async def test_types_never_shrink_within_a_workflow(world: World) -> None:
    workflow = await world.workflow()
    await world.load(workflow, b"x,y\n1.5,word\n", declared=[("x", "LONG"), ("y", "STRING")])
    second = await world.load(workflow, b"x,y\n1,2\n", declared=[("x", "LONG")])

    assert await types_of(world, second) == {"x": "numeric", "y": "text"}
    assert second.version == 1


async def test_an_empty_column_waits_for_its_first_value(world: World) -> None:
    workflow = await world.workflow()
    empty = await world.load(workflow, b'x,y\n,1\n"",2\n')
    full = await world.load(workflow, b"x,y\n1.5,3\n")

    assert await types_of(world, empty) == {"x": "", "y": "bigint"}
    assert await types_of(world, full) == {"x": "numeric", "y": "bigint"}
    shown = await world.database.fetch('select x from results."spend by week" order by e, n')
    assert [row["x"] and str(row["x"]) for row in shown] == [None, None, "1.5"]


async def test_a_value_after_the_sample_of_an_empty_column_is_not_hidden(world: World) -> None:
    data = b"x,y\n" + b",1\n" * LATE + b"2.5,1\n"
    loaded = await world.load(await world.workflow(), data)

    assert await types_of(world, loaded) == {"x": "numeric", "y": "bigint"}
    assert loaded.broken_types == ("x",)
    last = await world.database.fetchval(f"select max(x)::text from results.{loaded.table_name}")
    assert last == "2.5"


async def test_a_type_that_breaks_leaves_only_the_version_that_held(world: World) -> None:
    await world.load(await world.workflow(), late("1", "2.5"), declared=[("x", "LONG")])

    assert len(await world.relations()) == 2
    assert await world.database.fetchval("select count(*) from result_versions") == 1
