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

import asyncpg

from shared.db.pool import Database
from shared.db.results.identifiers import in_results, quote_ident
from shared.db.results.stored import StoredResult, gone
from shared.db.results.versions import StoredColumn

WINDOW_BYTES: Final = 4 * 1024 * 1024
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
    async for data in windows(database, result, selected, form=PLAIN, window_bytes=WINDOW_BYTES):
        yield data


async def export_json_lines(database: Database, result: StoredResult) -> AsyncIterator[bytes]:
    """One object for each row, keyed by `key_names`; numbers have all their digits."""
    names = zip(key_names(result.columns), result.columns, strict=True)
    selected = ", ".join(
        f"{quote_ident(column.name)} as {quote_ident(key)}" for key, column in names
    )
    async for data in windows(
        database, result, selected, form=JSON_LINES, window_bytes=WINDOW_BYTES
    ):
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


async def windows(
    database: Database, result: StoredResult, selected: str, *, form: CopyForm, window_bytes: int
) -> AsyncIterator[bytes]:
    """The rows as COPY writes them, each piece a whole window of rows."""
    step = max(window_bytes // result.mean_row_bytes, 1)
    for after in range(0, result.row_count, step):
        last = min(after + step, result.row_count)
        rows = (
            f"select {selected} from only {in_results(result.table_name)}"  # noqa: S608 - quoted
            f" where e = {result.execution_no} and n > {after} and n <= {last} order by n"
        )
        data, count = await _copy_out(database, form.around(rows), form)
        if count != last - after:
            raise gone()
        yield data


async def _copy_out(database: Database, query: str, form: CopyForm) -> tuple[bytes, int]:
    written = io.BytesIO()

    async def write(data: bytes) -> None:
        written.write(data)

    try:
        async with database.connection() as connection:
            status = await connection.copy_from_query(
                query, output=write, format="csv", delimiter=form.delimiter, quote=form.quote
            )
    except asyncpg.UndefinedTableError as error:
        raise gone() from error
    return written.getvalue(), int(status.split()[-1])


def _csv_value(column: StoredColumn) -> str:
    name = quote_ident(column.name)
    # COPY would write t and f, AMC wrote true and false.
    return f"{name}::text" if column.sql_type == "boolean" else name


def _csv_header(names: Iterable[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(names)
    return text.getvalue().encode()
