"""Results as lines of CSV that DuckDB writes: quoting, files, parts, errors."""

import hashlib
from itertools import accumulate, pairwise

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.catalogue import Column
from services.simulator.duck.lines import ReadingStopped, lines
from services.simulator.duck.thresholds import line_of
from services.simulator.results.file import Lines, read_result, write_result
from services.simulator.results.table import csv_field

TEXTS = st.none() | st.text(st.sampled_from('a,"\n\r é€\t;#') | st.characters(codec="utf-8"))
COLUMNS = (Column("n", "LONG", "METRIC"), Column('odd, "name"', "STRING", "DIMENSION"))


@pytest.fixture(scope="module")
def cursor():
    with duckdb.connect(config={"threads": 1}) as opened:
        yield opened


def cut(records: list[bytes]) -> Lines:
    """As Arrow hands them out of the middle of its buffers."""
    return Lines(b"".join(records), list(accumulate(map(len, records), initial=7)))


@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_duckdb_quotes_as_the_made_up_results_do(cursor, row):
    names = [f"v{number}" for number in range(len(row))]
    given_row = ", ".join(f"CAST(? AS VARCHAR) AS {name}" for name in names)

    sql = f"SELECT {line_of(names)} FROM (SELECT {given_row})"
    ((line,),) = cursor.execute(sql, row).fetchall()
    assert line == ",".join("" if value is None else csv_field(value) for value in row) + "\n"


def test_batches_are_the_rows_in_their_order(cursor):
    found = list(lines(cursor, "SELECT 'r' || i || chr(10) FROM range(5000) t(i) ORDER BY i"))

    assert b"".join(bytes(batch.text) for batch in found) == b"".join(
        b"r%d\n" % number for number in range(5000)
    )
    assert [len(batch) for batch in found] == [2048, 2048, 904]


def test_a_result_without_rows_has_no_lines(cursor):
    assert list(lines(cursor, "SELECT 'x' WHERE FALSE")) == []


def test_a_query_that_breaks_late_tells_no_value(cursor):
    sql = """SELECT CASE WHEN i < 9000 THEN 'x' ELSE CAST(CAST('secret' || i AS INT) AS VARCHAR) END
             FROM range(10000) t(i)"""
    with pytest.raises(ReadingStopped) as raised:
        list(lines(cursor, sql))

    assert str(raised.value) == "The query could not be run: a value cannot be converted."
    assert raised.value.__cause__ is None


@given(st.lists(st.integers(1, 1300), max_size=6), st.integers(1, 5))
def test_parts_of_a_file_are_whole_records(tmp_path_factory, sizes, count):
    path = tmp_path_factory.mktemp("result") / "r.csv"
    records = [
        b"%d\n" % number if number % 7 else b'%d,"x""y\nz"\n' % number
        for number in range(sum(sizes))
    ]
    edges = list(accumulate(sizes, initial=0))
    batches = [cut(records[start:stop]) for start, stop in pairwise(edges)]
    written = write_result(path, COLUMNS, batches)

    found = [b"".join(written.chunks(*part)) for part in written.parts(count, 1)]
    assert b"".join(found) == path.read_bytes() == b"".join(records)
    assert found == [b"".join(records[start:stop]) for start, stop in written.parts(count, 1)]
    assert [len(piece) for piece in found] == [
        written.size(*part) for part in written.parts(count, 1)
    ]
    assert written.sha256 == hashlib.sha256(written.header + b"".join(records)).hexdigest()
    assert read_result(path) == written
