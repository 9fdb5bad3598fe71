"""Rows of a result as COPY writes them: all that were asked for, or none of the result is there."""

from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg

from shared.db.pool import Database
from shared.db.results.identifiers import in_results
from shared.db.results.stored import StoredResult, gone


def rows_query(result: StoredResult, selected: str, after: int, last: int) -> str:
    """What selects the rows `after + 1` to `last` in their order; COPY takes no parameters."""
    return (
        f"select {selected} from only {in_results(result.table_name)}"  # noqa: S608 - quoted
        f" where e = {result.execution_no} and n > {after} and n <= {last} order by n"
    )


async def copy_rows(
    database: Database,
    query: str,
    write: Callable[[bytes], Coroutine[None, None, None]],
    *,
    expected: int,
    **form: Any,
) -> None:
    """The rows as CSV to `write`; NotFound if they are not as many as expected, or their table is
    gone."""
    try:
        count = await database.copy_out(query, write, format="csv", **form)
    except asyncpg.UndefinedTableError as error:
        raise gone() from error
    if count != expected:
        raise gone()
