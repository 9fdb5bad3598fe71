"""Reads a page of a result as JSON that Postgres has all but written: Python touches no row.

COPY's CSV with a backslash for its escape is JSON, without the brackets. What else differs is put
right afterwards, and only in pages that have it: control characters are as they are, and what a
double has besides numbers stands without quotes. Rows with timestamps are left to
json_build_array: as SQL the T in the middle costs more than it.

The same values as `pages` gives (dates and timestamps in ISO 8601, NaN and infinities as text),
which still reads numerics: their digits decide whether they are shown as a number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import asyncpg
from pydantic_core import to_json

from shared.db.pool import Database
from shared.db.results.copied import copy_rows, rows_query
from shared.db.results.identifiers import in_results, quote_ident
from shared.db.results.pages import PageColumn, page_range, read_page, shown_columns
from shared.db.results.stored import StoredResult, gone
from shared.db.results.versions import StoredColumn

_MOST_ARGUMENTS: Final = 100
_QUOTED: Final = frozenset({"text", "date"})
_CONTROLS: Final = bytes(range(0x20))
_ESCAPED: Final = {
    bytes([code]): to_json(chr(code))[1:-1] for code in _CONTROLS if code not in b"\0\n"
}
_NOT_FINITE: Final = (b"NaN", b"Infinity")


@dataclass(frozen=True, slots=True)
class JsonPage:
    """Some rows in file order, as `items` between brackets; the rest as in `Page`."""

    columns: tuple[PageColumn, ...]
    items: bytes
    next_after: int | None
    row_count: int


async def read_json_page(
    database: Database, result: StoredResult, *, after: int = 0, limit: int = 100
) -> JsonPage:
    """The rows numbered `after + 1` to `after + limit`; NotFound if they are gone."""
    if not _is_written_by_postgres(result):
        page = await read_page(database, result, after=after, limit=limit)
        return JsonPage(page.columns, to_json(page.rows), page.next_after, page.row_count)
    after, last = page_range(result, after, limit)
    return JsonPage(
        shown_columns(result),
        await _items(database, result, after, last) if last > after else b"[]",
        last if last < result.row_count else None,
        result.row_count,
    )


def rows_of(csv: bytes, count: int, *, has_doubles: bool) -> bytes:
    """The array of the `count` rows, at least one, of this CSV."""
    # A byte is found many times faster than a word.
    if has_doubles and any(word[:1] in csv and word in csv for word in _NOT_FINITE):
        csv = _not_finite_quoted(csv)
    if len(csv) - len(csv.translate(None, _CONTROLS)) > count:
        csv = _controls_escaped(csv, count)
    return b"[[%b]]" % csv[:-1].replace(b"\n", b"],[")


def _not_finite_quoted(csv: bytes) -> bytes:
    # No text of Postgres has a NUL: with it for a backslash, each quote left begins or ends a text.
    parts = csv.replace(rb"\\", b"\0b").replace(rb"\"", b"\0q").split(b'"')
    outside = b"\0".join(parts[::2])
    for word in _NOT_FINITE:
        outside = outside.replace(word, b'"%b"' % word)
    parts[::2] = outside.replace(b'-"', b'"-').split(b"\0")
    return b'"'.join(parts).replace(b"\0b", rb"\\").replace(b"\0q", rb"\"")


def _controls_escaped(csv: bytes, count: int) -> bytes:
    for control, escaped in _ESCAPED.items():
        if control in csv:
            csv = csv.replace(control, escaped)
    # The others are in texts, where else could they be; a line feed may also end a row.
    return b"".join(_lines(csv)) if csv.count(b"\n") > count else csv


def _lines(csv: bytes) -> Iterator[bytes]:
    is_inside = False
    for line in csv[:-1].split(b"\n"):
        yield line
        bare = line.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in line else line
        is_inside ^= bare.count(b'"') % 2 == 1
        yield rb"\n" if is_inside else b"\n"


def _is_written_by_postgres(result: StoredResult) -> bool:
    fits = len(result.columns) <= _MOST_ARGUMENTS or not _has(result, "timestamp")
    return len(result.columns) > 0 and fits and not _has(result, "numeric")


def _has(result: StoredResult, kind: str) -> bool:
    return any(column.sql_type == kind for column in result.columns)


async def _items(database: Database, result: StoredResult, after: int, last: int) -> bytes:
    if _has(result, "timestamp"):
        return b"[%b]" % await _built(database, result, after, last)
    csv = await _csv(database, result, after, last)
    return rows_of(csv, last - after, has_doubles=_has(result, "double precision"))


async def _built(database: Database, result: StoredResult, after: int, last: int) -> bytes:
    values = ", ".join(_written(column) for column in result.columns)
    try:
        row = await database.fetchrow(
            "select count(*), convert_to("  # noqa: S608 - quoted
            f"string_agg(json_build_array({values})::text, ',' order by n), 'UTF8')"
            f" from only {in_results(result.table_name)} where e = $1 and n > $2 and n <= $3",
            result.execution_no,
            after,
            last,
        )
    except asyncpg.UndefinedTableError as error:
        raise gone() from error
    if row is None or row[0] != last - after:
        raise gone()
    return bytes(row[1])


async def _csv(database: Database, result: StoredResult, after: int, last: int) -> bytes:
    pieces: list[bytes] = []

    async def keep(data: bytes) -> None:
        pieces.append(data)

    names = {f"c{place}": column for place, column in enumerate(result.columns)}
    selected = ", ".join(f"{_in_csv(column)} as {name}" for name, column in names.items())
    await copy_rows(
        database,
        rows_query(result, selected, after, last),
        keep,
        expected=last - after,
        escape="\\",
        null="null",
        force_quote=[name for name, column in names.items() if column.sql_type in _QUOTED] or None,
    )
    return b"".join(pieces)


def _in_csv(column: StoredColumn) -> str:
    # COPY would write t and f.
    return f"{_written(column)}::text" if column.sql_type == "boolean" else _written(column)


def _written(column: StoredColumn) -> str:
    name = quote_ident(column.name)
    # Postgres tells a negative zero from the other, and nobody else does.
    return f"{name} + 0" if column.sql_type == "double precision" else name
