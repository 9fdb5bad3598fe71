"""Whatever a CSV writer can write comes out again, in order, in every form."""

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.db.results.export import export_csv, export_json_lines
from shared.db.results.pages import read_page
from shared.db.results.parquet import export_parquet
from shared.db.results.stored import find_result
from tests.integration.results.world import World, everything

AWKWARD = [
    "", "\\.", '"', '""', "a,b", "\n", "\r\n\\.\r\n", "\ufeff", "NULL", "=1+1", "🜚", "\x01\x02"
]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
VALUE = st.sampled_from(AWKWARD) | TEXT
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(VALUE, min_size=width, max_size=width), max_size=8)
    .map(lambda rows: [["word"] * width, *rows])
)  # fmt: skip


def written(rows: list[list[str]], *, quoting: bool) -> bytes:
    text = io.StringIO(newline="")
    if quoting:
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    else:
        writer = csv.writer(text)
    writer.writerow([f"c{place}" for place in range(len(rows[0]))])
    writer.writerows(rows)
    return text.getvalue().encode()


@given(rows=TABLES, quoting=st.booleans(), is_own=st.booleans())
@example(rows=[["word"], ["\\."], [""], ["\\."]], quoting=False, is_own=False)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_what_goes_in_comes_out(
    world: World, rows: list[list[str]], quoting: bool, is_own: bool
) -> None:
    loaded = await world.load(
        await world.workflow(),
        written(rows, quoting=quoting),
        own_table_bytes=0 if is_own else 10**9,
    )
    result = await find_result(world.database, loaded.execution_id)

    text = (await everything(export_csv(world.database, result))).decode()
    assert list(csv.reader(io.StringIO(text, newline="")))[1:] == rows
    lines = (await everything(export_json_lines(world.database, result))).split(b"\n")[:-1]
    assert [[value or "" for value in json.loads(line).values()] for line in lines] == rows
    page = await read_page(world.database, result)
    assert [[value or "" for value in row] for row in page.rows] == rows
    data = await everything(export_parquet(world.database, result))
    table = pa.parquet.read_table(io.BytesIO(data)).to_pylist()
    assert [[value or "" for value in row.values()] for row in table] == rows
