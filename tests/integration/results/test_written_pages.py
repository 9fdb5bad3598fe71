"""Whatever a result holds, the page that Postgres writes is the page that Python would write."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from shared.db.results.page_json import JsonPage, read_json_page
from shared.db.results.pages import read_page
from shared.db.results.stored import find_result
from tests.integration.results.world import World

# What the CSV or the JSON of a page is made of, so that a text could be taken for it.
AWKWARD = [
    *('"', '""', '",', '\\"', "\\", "\\\\", '\\",', ",", '","', '"\n"', "],[", "\n", "\\n", "\r\n"),
    *("NaN", ",NaN,", "-Infinity", ",Infinity\n", "null", "\\.", "b", "q", "n", "\x01", "[[", "]]"),
    *("\b\f\t\v\x1f", "\x7f\x80\u2028", "é ブ 🜚"),
]
PIECES = st.lists(st.sampled_from(AWKWARD), max_size=6).map("".join)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "STRING": (PIECES | ANY_TEXT).map(lambda text: '"' + text.replace('"', '""') + '"'),
    "LONG": st.integers(-(2**63), 2**63 - 1).map(str),
    "DOUBLE": st.floats().map(
        lambda value: str(value).replace("inf", "Infinity").replace("nan", "NaN")
    ),
    "DATE": st.dates().map(str) | st.sampled_from(["infinity", "0044-03-15 BC"]),
    "TIMESTAMP": st.datetimes().map(str) | st.sampled_from(["-infinity", "0044-03-15 10:00:00 BC"]),
    "BOOLEAN": st.sampled_from(["true", "false"]),
    "DECIMAL": st.decimals(-1000, 1000, places=3).map(str),
}
WITHOUT_NUMERICS = [kind for kind in VALUES if kind != "DECIMAL"]
Cells = list[list[str]]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], Cells]:
    """Kinds of columns, and rows as a file has them, with a null here and there."""
    kinds = draw(
        st.lists(st.sampled_from(WITHOUT_NUMERICS), min_size=1, max_size=5) | st.just(list(VALUES))
    )
    row = st.tuples(*(VALUES[kind] | st.just("") for kind in kinds)).map(list)
    return kinds, draw(st.lists(row, min_size=1, max_size=6))


async def both(world: World, kinds: list[str], rows: Cells) -> tuple[JsonPage, JsonPage]:
    """The page as Python writes it, and as Postgres does."""
    names = [f"c{place}" for place in range(len(kinds))]
    data = "".join(",".join(row) + "\n" for row in [names, *rows]).encode()
    declared = list(zip(names, kinds, strict=True))
    loaded = await world.load(await world.workflow(), data, declared=declared)
    result = await find_result(world.database, loaded.execution_id)
    page = await read_page(world.database, result)
    assert len(page.rows) == len(rows)
    python = JsonPage(page.columns, to_json(page.rows), page.next_after, page.row_count)
    return python, await read_json_page(world.database, result)


@given(table=tables())
@example((["STRING"], [['"NaN"'], ['"\n"'], ['""""'], ['"\\"'], ['""'], ['"null"']]))
@example((["DOUBLE"], [["NaN"], ["Infinity"], ["-Infinity"], ["-0"], ["1"]]))
@example((["STRING", "DOUBLE"], [['",NaN,\\"', "NaN"], ['""",\n"', "-Infinity"], ['"\x01"', "1"]]))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_a_written_page_says_what_python_would(
    world: World, table: tuple[list[str], Cells]
) -> None:
    python, written = await both(world, *table)

    assert repr(json.loads(written.items)) == repr(json.loads(python.items))
    assert (written.columns, written.next_after, written.row_count) == (
        python.columns,
        python.next_after,
        python.row_count,
    )


@pytest.mark.parametrize(
    "value", ['"a, b"', '"""\\"', '"two\nlines\t"', '"\x01\x1f\x7f"', "", '""']
)
@pytest.mark.parametrize("number", ["-0", "2.5", "NaN", "-Infinity"])
async def test_a_written_row_is_the_same_to_the_byte(world: World, value: str, number: str) -> None:
    kinds = ["STRING", "DOUBLE", "LONG", "BOOLEAN", "STRING"]

    python, written = await both(world, kinds, [[value, number, "1", "true", value]] * 2)

    assert written.items == python.items


@pytest.mark.parametrize("width", [100, 101])
async def test_rows_of_many_timestamps_are_written(world: World, width: int) -> None:
    python, written = await both(world, ["TIMESTAMP"] * width, [["2026-01-31 10:00:00.5"] * width])

    assert json.loads(written.items) == json.loads(python.items)
