"""Reads what Postgres says when COPY refuses a file."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from shared.domain.errors import ResultMalformed, ResultTooLarge

TYPE_BREAKS: Final = frozenset({"22P02", "22003", "22007", "22008"})
"""Not of that type; out of range; not a date; no such date."""
BAD_BYTES: Final = "22021"
_BAD_CSV: Final = "22P04"
_LIMITS: Final = "54"
_NUMBER: Final = re.compile(r"\d+")


def broken_column(error: asyncpg.PostgresError, names: Collection[str]) -> tuple[str | None, str]:
    """The column whose type did not hold, and the value.

    The server's words around them are in its own language, so our names are looked for. Without
    one that is found the name is None.
    """
    context = str(error.context or "")
    found = [
        (place, -len(name), name) for name in names if (place := context.find(f' {name}: "')) >= 0
    ]
    if not found:
        return None, ""
    place, _, name = min(found)
    value = context[place + len(name) + 4 :]
    return name, value[: value.rfind('"')]


@contextmanager
def copy_errors(table_name: str = "", part: int | None = None) -> Iterator[None]:
    """Says which line of which part is no CSV, or that the result does not fit into a table."""
    where = f"part {part}, " if part else ""
    try:
        yield
    except asyncpg.PostgresError as error:
        if error.sqlstate == _BAD_CSV:
            line = _line_of(error, table_name)
            raise ResultMalformed(
                f"The result is not sound CSV ({where}{line}): {error}"
            ) from error
        if (error.sqlstate or "").startswith(_LIMITS):
            raise ResultTooLarge(
                f"The result does not fit into a table: {error}",
                hint="Make the query return fewer or shorter columns.",
            ) from error
        raise


def _line_of(error: asyncpg.PostgresError, table_name: str) -> str:
    _, _, after = str(error.context or "").partition(table_name)
    number = _NUMBER.search(after)
    return f"line {number[0]}" if number else "line unknown"
