"""The one door through which asyncpg's errors leave, as ours.

A connection that broke, a server that is away, a lock or statement that ran out of time: all are
`DatabaseUnavailable`, and whether the statement took effect is unknown. The guards of the schema
(`AM001`, unique ids) are conflicts: somebody else was first.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from shared.domain.errors import DatabaseUnavailable, StaleTransition

_GUARDED_MOVE = "AM001"

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What a connection says that the server has ended while a statement was being prepared.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    TimeoutError,
    OSError,
)


@contextmanager
def database_errors() -> Iterator[None]:
    """Raises our errors in place of asyncpg's; programming errors pass through untouched."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise StaleTransition(f"Somebody was first: {error}") from error
    except _AWAY as error:
        raise DatabaseUnavailable(
            f"Postgres did not answer: {type(error).__name__}: {error}",
            hint="Check that Postgres is up and DATABASE_URL points to it.",
        ) from error
    except asyncpg.PostgresError as error:
        if error.sqlstate == _GUARDED_MOVE:
            raise StaleTransition(str(error)) from error
        raise
