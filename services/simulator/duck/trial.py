"""Tries a query out on tables without rows, before anybody runs it.

What DuckDB says against it is put into words of ours: its own name relations nobody wrote, and at
run time values that nobody may see.
"""

from functools import cache
from threading import Timer

import duckdb

from services.simulator.sql.source import CompileError

STOPPED = "The query was stopped."
TOO_LONG = "The query takes too long to plan."
_SECONDS = 10.0
UNFIT = "The simulator's engine cannot run this query: an operation does not fit its arguments."
_SAYINGS: tuple[tuple[type[duckdb.Error], str], ...] = (
    (duckdb.InterruptException, STOPPED),
    (duckdb.OutOfMemoryException, "The query needs more memory than it may use."),
    (duckdb.ConversionException, "The query could not be run: a value cannot be converted."),
    (duckdb.OutOfRangeException, "The query could not be run: a number is out of range."),
    (duckdb.InvalidInputException, "The query could not be run: an argument has no valid value."),
)


def try_out(sql: str, seconds: float = _SECONDS) -> None:
    """CompileError for a query, bound to empty tables, that DuckDB cannot plan in this time."""
    cursor = _nothing().cursor()
    timer = Timer(seconds, cursor.interrupt)
    timer.daemon = True
    try:
        timer.start()
        cursor.execute(f"EXPLAIN {sql}")
    except duckdb.InterruptException:
        raise CompileError(TOO_LONG) from None
    except duckdb.Error as error:
        raise CompileError(said_of(error)) from None
    finally:
        timer.cancel()
        timer.join()
        cursor.close()


def said_of(error: duckdb.Error) -> str:
    """Why a query failed, without a name or a value of the data."""
    return next((text for kind, text in _SAYINGS if isinstance(error, kind)), UNFIT)


@cache
def _nothing() -> duckdb.DuckDBPyConnection:
    """A data base without tables that reaches nothing."""
    connection = duckdb.connect(
        config={"threads": 1, "memory_limit": "100MB", "enable_external_access": "false"}
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    return connection
