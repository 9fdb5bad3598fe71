"""Reads a result page by page, always a bounded range of row numbers of a named table.

Values are what JSON can say: bigint is an integer of any size; a numeric or double is a number if
a double holds it exactly as written, else a string (`"0.1234567890123456789"`, `"NaN"`); dates
and timestamps are ISO 8601 without a zone; ids and everything else are text.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from math import inf, isfinite
from typing import Any, Final

import asyncpg

from shared.db.pool import Database
from shared.db.results.identifiers import in_results, quote_ident
from shared.db.results.stored import StoredResult, gone
from shared.db.results.versions import StoredColumn

JsonValue = str | int | float | bool | None

MAX_PAGE_ROWS: Final = 10_000
_EXACT_INTEGER: Final = 2**53
_EXPONENT_FROM: Final = 1e15
_NOT_FINITE: Final = {inf: "Infinity", -inf: "-Infinity"}
_TEMPORAL: Final = frozenset({"date", "timestamp"})


@dataclass(frozen=True, slots=True)
class PageColumn:
    """A column as readers know it: the name in the header of the file."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in file order; `next_after` is the cursor of the next page, None at the end.

    `row_count` is that of the whole result.
    """

    columns: tuple[PageColumn, ...]
    rows: list[list[JsonValue]]
    next_after: int | None
    row_count: int


async def read_page(
    database: Database, result: StoredResult, *, after: int = 0, limit: int = 100
) -> Page:
    """The rows numbered `after + 1` to `after + limit`; NotFound if they are gone."""
    after, last = page_range(result, after, limit)
    rows = await _rows(database, result, after, last)
    if len(rows) != last - after:
        raise gone()
    values = [list(row) for row in rows]
    for place, column in enumerate(result.columns):
        if (read := _READERS.get(column.sql_type)) is not None:
            _read_column(values, place, read)
    next_after = last if last < result.row_count else None
    return Page(shown_columns(result), values, next_after, result.row_count)


def page_range(result: StoredResult, after: int, limit: int) -> tuple[int, int]:
    """The number in front of a page's first row, and that of its last."""
    after = max(min(after, result.row_count), 0)
    return after, min(after + max(min(limit, MAX_PAGE_ROWS), 1), result.row_count)


def shown_columns(result: StoredResult) -> tuple[PageColumn, ...]:
    """The result's columns under the names of its own header."""
    return tuple(PageColumn(column.key.source_name, column.sql_type) for column in result.columns)


async def _rows(
    database: Database, result: StoredResult, after: int, last: int
) -> list[asyncpg.Record]:
    selected = ", ".join(_selected(column) for column in result.columns)
    try:
        return await database.fetch(
            f"select {selected} from only {in_results(result.table_name)}"  # noqa: S608 - quoted
            " where e = $1 and n > $2 and n <= $3 order by n",
            result.execution_no,
            after,
            last,
        )
    except asyncpg.UndefinedTableError as error:
        raise gone() from error


def _selected(column: StoredColumn) -> str:
    name = quote_ident(column.name)
    if column.sql_type in _TEMPORAL:
        # ISO 8601 whatever the session's DateStyle says.
        return f"to_json({name}) #>> '{{}}'"
    return f"{name}::text" if column.sql_type == "numeric" else name


def _read_column(rows: list[list[JsonValue]], place: int, read: Callable[[Any], JsonValue]) -> None:
    for row in rows:
        if (value := row[place]) is not None:
            row[place] = read(value)


def _double(value: float) -> JsonValue:
    """As Postgres writes it: whole numbers of up to 15 digits without a point."""
    if value.is_integer():
        return int(value) if abs(value) < _EXPONENT_FROM else value
    return value if isfinite(value) else _NOT_FINITE.get(value, "NaN")


def _number(text: str) -> JsonValue:
    """A number if nobody loses a digit by reading it as a double, else the text."""
    exact = Decimal(text)
    if not exact.is_finite():
        return text
    if exact == exact.to_integral_value() and "." not in text and "e" not in text:
        return int(text) if abs(exact) <= _EXACT_INTEGER else text
    return float(text) if Decimal(repr(float(text))) == exact else text


_READERS: Final[dict[str, Callable[[Any], JsonValue]]] = {
    "numeric": _number,
    "double precision": _double,
}
