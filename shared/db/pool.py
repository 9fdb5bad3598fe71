"""Connections to Postgres, with a bound on every wait.

Every statement, lock and idle transaction has a limit on the server's side too, so that a frozen
client can hold a gate no longer than that. Each pool carries its relay's id: rows it writes to
the outbox are born leased to the process that will publish them.

Nothing of ours changes a session: whatever a transaction sets is set for its own length. So a
connection goes back to the pool as it came, without a round trip to clean it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from shared.db.translate import database_errors
from shared.domain import clock
from shared.domain.errors import DatabaseUnavailable

Connection = PoolConnectionProxy


async def _prepare(connection: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
    asked_at = time.monotonic()
    clock.agree(await connection.fetchval("select clock_timestamp()"), asked_at=asked_at)


async def _as_it_is(_connection: asyncpg.Connection) -> None:
    """In place of asyncpg's RESET ALL after every statement; what is open is rolled back before."""


@dataclass(frozen=True, slots=True)
class Database:
    """A pool of connections and the id under which its process publishes its own messages."""

    pool: asyncpg.Pool
    relay_id: UUID
    acquire_timeout: float

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection; DatabaseUnavailable when none is free or the server is away."""
        with database_errors():
            async with self.pool.acquire(timeout=self.acquire_timeout) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One connection inside one transaction; a failed commit is an unknown outcome."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """All rows."""
        async with self.connection() as connection:
            return await connection.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        """The first column of the first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchval(query, *arguments)

    async def execute(self, query: str, *arguments: Any) -> str:
        """The command tag."""
        async with self.connection() as connection:
            return await connection.execute(query, *arguments)

    async def copy_out(
        self, query: str, write: Callable[[bytes], Coroutine[None, None, None]], **form: Any
    ) -> int:
        """What COPY makes of the query goes to `write` while it comes; the number of rows.

        Broken off, by the reader or by whoever cancels, it takes its connection along: asyncpg
        would hand it to the next user in the middle of the COPY.
        """
        async with self.connection() as connection:
            try:
                status = await connection.copy_from_query(query, output=write, **form)
            except asyncpg.PostgresError:
                raise
            except BaseException:
                connection.terminate()
                raise
        return int(status.split()[-1])

    async def is_healthy(self) -> bool:
        """Whether the server answers a trivial question now."""
        try:
            return bool(await self.fetchval("select true"))
        except DatabaseUnavailable:
            return False


@asynccontextmanager
async def open_database(
    url: str,
    *,
    service: str,
    min_size: int = 1,
    max_size: int = 10,
    statement_timeout: timedelta = timedelta(seconds=15),
    lock_timeout: timedelta = timedelta(seconds=5),
    plans_once: bool = False,
) -> AsyncIterator[Database]:
    """Open a pool; DatabaseUnavailable if the server cannot be reached now.

    `statement_timeout` bounds single statements on the server; loads of results lift it for their
    own transaction. `plans_once` is for processes whose statements all go by key: for few values at
    once Postgres expects a plan of their own to be cheaper, and plans each time anew, which takes
    longer than what is planned.
    """
    relay_id = uuid4()
    with database_errors():
        pool = await asyncpg.create_pool(
            url,
            min_size=min_size,
            max_size=max_size,
            timeout=5,
            command_timeout=statement_timeout.total_seconds() + 5,
            init=_prepare,
            reset=_as_it_is,
            server_settings=_session(
                service, relay_id, statement_timeout, lock_timeout, plans_once=plans_once
            ),
        )
    try:
        yield Database(pool, relay_id, acquire_timeout=10)
    finally:
        try:
            async with asyncio.timeout(10):
                await pool.close()
        except TimeoutError:
            pool.terminate()


def _session(
    service: str,
    relay_id: UUID,
    statement_timeout: timedelta,
    lock_timeout: timedelta,
    *,
    plans_once: bool,
) -> dict[str, str]:
    return {
        "application_name": f"amcflow {service}",
        "amcflow.relay": str(relay_id),
        "statement_timeout": f"{int(statement_timeout.total_seconds() * 1000)}",
        "lock_timeout": f"{int(lock_timeout.total_seconds() * 1000)}",
        # Shorter than the wait for a lock: who waits for a frozen client outlives it.
        "idle_in_transaction_session_timeout": "3000",
        # For a client whose machine is gone without a good-bye.
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "25000",
        "timezone": "UTC",
        "datestyle": "ISO, YMD",
        # A backslash in a literal is a backslash, whatever the database was set to.
        "standard_conforming_strings": "on",
        "plan_cache_mode": "force_generic_plan" if plans_once else "auto",
    }
