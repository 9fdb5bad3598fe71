"""Streams a whole result as CSV or JSON lines in constant memory.

COPY writes windows of row numbers, each into memory before it is handed on, so that a slow reader
holds neither a snapshot nor a connection. A result that is removed meanwhile is NotFound in the
middle of the stream, never a short file that looks complete.

CSV is the data as AMC sent it: a text that a spreadsheet would take for a formula is left alone,
because programs read these files, too.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from shared.db.pool import Database
from shared.db.results.copied import copy_rows, rows_query
from shared.db.results.identifiers import quote_ident
from shared.db.results.stored import StoredResult
from shared.db.results.versions import StoredColumn

WINDOW_BYTES: Final = 2 * 1024 * 1024
_SORTED_BYTES: Final = 1024 * 1024
"""Of CSV in one statement: the server sorts them in its memory, at the 4 MB that work_mem is unless
somebody sets it. Through files the whole export costs it a quarter more."""
_SORTED_ROWS: Final = 16_000
"""The same for narrow rows, each of which needs some 60 bytes more to be sorted."""
_MOST_STATEMENTS: Final = 4096
"""Each looks through the whole index of the result; with more of them that costs more than such a
sort, and a window is one statement."""
_NAME_BYTES: Final = 63


@dataclass(frozen=True, slots=True)
class CopyForm:
    """How COPY is to write its rows."""

    delimiter: str = ","
    quote: str = '"'
    wrapped: str = "{}"

    def around(self, rows: str) -> str:
        return self.wrapped.replace("{}", rows)


PLAIN: Final = CopyForm()
# JSON text contains neither of these bytes, so that COPY has nothing to quote.
JSON_LINES: Final = CopyForm("\x02", "\x01", "select row_to_json(r) from ({}) r")


async def export_csv(database: Database, result: StoredResult) -> AsyncIterator[bytes]:
    """RFC 4180 with the header of the file it came from; lines end in a line feed."""
    yield _csv_header(column.key.source_name for column in result.columns)
    selected = ", ".join(_csv_value(column) for column in result.columns)
    rows = Rows(database, result, selected, PLAIN)
    async for data in rows.windows(WINDOW_BYTES):
        yield data


async def export_json_lines(database: Database, result: StoredResult) -> AsyncIterator[bytes]:
    """One object for each row, keyed by `key_names`; numbers have all their digits."""
    names = zip(key_names(result.columns), result.columns, strict=True)
    selected = ", ".join(
        f"{quote_ident(column.name)} as {quote_ident(key)}" for key, column in names
    )
    rows = Rows(database, result, selected, JSON_LINES)
    async for data in rows.windows(WINDOW_BYTES):
        yield data


def key_names(columns: Sequence[StoredColumn]) -> tuple[str, ...]:
    """Distinct names: the source's own, or ours where its name is long, empty or used twice."""
    sources = [column.key.source_name for column in columns]
    taken = {column.name for column in columns}
    return tuple(
        column.name
        if not source
        or len(source.encode()) > _NAME_BYTES
        or sources.count(source) > 1
        or (source != column.name and source in taken)
        else source
        for source, column in zip(sources, columns, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a result as COPY writes them."""

    database: Database
    result: StoredResult
    selected: str
    form: CopyForm

    async def windows(self, window_bytes: int) -> AsyncIterator[bytes]:
        """Each piece a whole window of rows."""
        row_count, row_bytes = self.result.row_count, self.result.mean_row_bytes
        step = max(window_bytes // row_bytes, 1)
        sorted_rows = max(min(_SORTED_BYTES // row_bytes, _SORTED_ROWS), 1)
        at_once = sorted_rows if row_count <= _MOST_STATEMENTS * sorted_rows else step
        for first in range(0, row_count, step):
            written, end = io.BytesIO(), min(first + step, row_count)
            for after in range(first, end, at_once):
                await self._copy(after, min(after + at_once, end), written)
            yield written.getvalue()

    async def _copy(self, after: int, last: int, written: io.BytesIO) -> None:
        async def write(data: bytes) -> None:
            written.write(data)

        await copy_rows(
            self.database,
            self.form.around(rows_query(self.result, self.selected, after, last)),
            write,
            expected=last - after,
            delimiter=self.form.delimiter,
            quote=self.form.quote,
        )


def _csv_value(column: StoredColumn) -> str:
    name = quote_ident(column.name)
    # COPY would write t and f, AMC wrote true and false.
    return f"{name}::text" if column.sql_type == "boolean" else name


def _csv_header(names: Iterable[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(names)
    return text.getvalue().encode()
