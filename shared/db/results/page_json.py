"""Reads a page of a result as JSON that Postgres has written: Python touches no row.

The same values as `pages` gives (dates and timestamps in ISO 8601, NaN and infinities as text),
which still reads what cannot be written so: numerics, whose digits decide whether they are shown
as a number, and rows of more columns than a function of Postgres takes arguments.
"""

from dataclasses import dataclass
from typing import Final

import asyncpg
from pydantic_core import to_json

from shared.db.pool import Database
from shared.db.results.identifiers import in_results, quote_ident
from shared.db.results.pages import PageColumn, page_range, read_page, shown_columns
from shared.db.results.stored import StoredResult, gone
from shared.db.results.versions import StoredColumn

_MOST_ARGUMENTS: Final = 100


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
        b"[%b]" % await _items(database, result, after, last) if last > after else b"[]",
        last if last < result.row_count else None,
        result.row_count,
    )


def _is_written_by_postgres(result: StoredResult) -> bool:
    return 0 < len(result.columns) <= _MOST_ARGUMENTS and all(
        column.sql_type != "numeric" for column in result.columns
    )


async def _items(database: Database, result: StoredResult, after: int, last: int) -> bytes:
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


def _written(column: StoredColumn) -> str:
    name = quote_ident(column.name)
    # Postgres tells a negative zero from the other, and nobody else does.
    return f"{name} + 0" if column.sql_type == "double precision" else name
