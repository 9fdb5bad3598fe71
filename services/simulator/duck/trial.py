"""Tries a query out on tables without rows, before anybody runs it.

What DuckDB says against it is put into words of ours: its own name relations nobody wrote, and at
run time values that nobody may see.
"""

from functools import cache
from threading import Event, Thread

import duckdb

from services.simulator.sql.source import CompileError

STOPPED = "The query was stopped."
TOO_LONG = "The query takes too long to plan."
_SECONDS = 10.0
_AGAIN_SECONDS = 0.2
UNFIT = "The simulator's engine cannot run this query: an operation does not fit its arguments."
_MEMORY = "The query needs more memory than it may use."
_VALUE = "The query could not be run: a value cannot be converted."
_RANGE = "The query could not be run: a number is out of range."
_ARGUMENT = "The query could not be run: an argument has no valid value."
_SAYINGS: tuple[tuple[type[duckdb.Error], str, str], ...] = (
    (duckdb.InterruptException, "INTERRUPT Error", STOPPED),
    (duckdb.OutOfMemoryException, "Out of Memory Error", _MEMORY),
    (duckdb.ConversionException, "Conversion Error", _VALUE),
    (duckdb.OutOfRangeException, "Out of Range Error", _RANGE),
    (duckdb.InvalidInputException, "Invalid Input Error", _ARGUMENT),
)
"""DuckDB's error as a class and as the first words of its text, and ours."""


def try_out(sql: str, seconds: float = _SECONDS) -> None:
    """CompileError for a query, bound to empty tables, that DuckDB cannot plan in this time."""
    cursor = _nothing().cursor()
    ended = Event()
    watch = Thread(target=_interrupt_late, args=(cursor, ended, seconds), daemon=True)
    try:
        watch.start()
        cursor.execute(f"EXPLAIN {sql}")
    except duckdb.InterruptException:
        raise CompileError(TOO_LONG) from None
    except duckdb.Error as error:
        raise CompileError(said_of(error)) from None
    finally:
        ended.set()
        watch.join()
        cursor.close()


def _interrupt_late(cursor: duckdb.DuckDBPyConnection, ended: Event, seconds: float) -> None:
    """Again and again, because one that comes before the planning proper is lost."""
    wait = seconds
    while not ended.wait(wait):
        cursor.interrupt()
        wait = _AGAIN_SECONDS


def said_of(error: duckdb.Error) -> str:
    """Why a query failed, without a name or a value of the data."""
    return next((text for kind, _, text in _SAYINGS if isinstance(error, kind)), UNFIT)


def said_of_text(error: str) -> str:
    """The same where only the text of DuckDB's error is left."""
    return next((text for _, words, text in _SAYINGS if error.startswith(words)), UNFIT)


@cache
def _nothing() -> duckdb.DuckDBPyConnection:
    """A data base without tables that reaches nothing."""
    connection = duckdb.connect(
        config={"threads": 1, "memory_limit": "100MB", "enable_external_access": "false"}
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    return connection
