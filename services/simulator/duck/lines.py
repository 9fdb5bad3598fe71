"""A result's rows as lines of CSV, written by DuckDB itself and read through Arrow.

Python touches no row: it would hold its lock for so long that the event loop waits.
"""

from collections.abc import Iterator

import duckdb
import pyarrow as pa

from services.simulator.duck.trial import said_of_text
from services.simulator.results.file import Lines

_BATCH_ROWS = 2048


class ReadingStopped(Exception):
    """The query broke while its rows were read; the text is for its owner."""


def lines(cursor: duckdb.DuckDBPyConnection, sql: str) -> Iterator[Lines]:
    """The texts of a query with one column; duckdb.Error if it cannot begin, ReadingStopped if it
    breaks later, where Arrow knows the words of the error only."""
    reader = cursor.sql(sql).to_arrow_reader(_BATCH_ROWS)
    while (batch := _next(reader)) is not None:
        if batch.num_rows:
            yield _lines(batch.column(0))


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except (OSError, pa.ArrowException) as error:
        raise ReadingStopped(said_of_text(str(error))) from None


def _lines(column: pa.StringArray) -> Lines:
    """Its own buffers: all texts one after the other, and where each begins and the last ends."""
    _, places, texts = column.buffers()
    edges = memoryview(places).cast("i")[column.offset : column.offset + len(column) + 1]
    text = memoryview(texts or b"")[edges[0] : edges[-1]]
    return Lines(text, edges)
