"""Connections between their uses: nothing of one use is left for the next."""

import asyncio
import contextlib
import re

import asyncpg
import pytest

from shared.db.pool import Database, open_database
from shared.db.queries import files, load

# Of a session, not of a transaction: the pool would hand them on.
OF_A_SESSION = re.compile(
    r"set_config\([^()]*(?:\([^()]*\)[^()]*)*,\s*false\s*\)|\blisten\b"
    r"|\bpg_(?:try_)?advisory_lock|^\s*set (?!local\b)\w+\s*(?:=|to\b)",
    re.IGNORECASE | re.MULTILINE,
)

_FIVE_MB = "select repeat('x', 1000) from generate_series(1, 5000)"


@pytest.mark.parametrize("file", files())
def test_no_statement_changes_a_session(file: str) -> None:
    def without_updates(statement: str) -> str:
        """`set` of an UPDATE begins a line too, but follows the table."""
        return re.sub(r"\bupdate\b[^;]*?\bset\b", "", statement, flags=re.IGNORECASE | re.DOTALL)

    changing = [
        name for name, text in load(file).items() if OF_A_SESSION.search(without_updates(text))
    ]

    assert changing == []


async def test_what_was_left_open_is_rolled_back(postgres_server: str) -> None:
    async with open_database(postgres_server, service="test", max_size=1) as database:
        async with database.connection() as connection:
            await connection.execute("begin; create table left_open (x int)")

        assert await database.fetchval("select to_regclass('left_open') is null")


async def test_what_a_transaction_sets_ends_with_it(postgres_server: str) -> None:
    async with open_database(postgres_server, service="test", max_size=1) as database:
        before = await _lock_timeout(database)
        async with database.transaction() as connection:
            await connection.execute("select set_config('lock_timeout', '77s', true)")

        assert await _lock_timeout(database) == before


async def _lock_timeout(database: Database) -> str:
    return str(await database.fetchval("show lock_timeout"))


async def test_a_copy_that_is_broken_off_leaves_nobody_in_the_middle_of_it(
    postgres_server: str,
) -> None:
    async with open_database(postgres_server, service="test", max_size=1) as database:
        for turns in range(100, 260):
            copying = asyncio.ensure_future(database.copy_out(_FIVE_MB, _ignore))
            await _some_turns_of_the_loop(turns)
            copying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await copying

            assert await database.fetchval("select 1") == 1


async def _some_turns_of_the_loop(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_copy_whose_reader_fails_leaves_its_connection_to_nobody(
    postgres_server: str,
) -> None:
    async def write(_data: bytes) -> None:
        raise BufferError("no room")

    async with open_database(postgres_server, service="test", max_size=1) as database:
        with pytest.raises(BufferError):
            await database.copy_out(_FIVE_MB, write)

        assert await database.fetchval("select 1") == 1


async def test_a_copy_that_postgres_refuses_keeps_its_connection(postgres_server: str) -> None:
    async with open_database(postgres_server, service="test", max_size=1) as database:
        backend = await database.fetchval("select pg_backend_pid()")
        with pytest.raises(asyncpg.DataError):
            await database.copy_out("select 1 / (3 - n) from generate_series(1, 9) n", _ignore)

        assert await database.fetchval("select pg_backend_pid()") == backend


async def _ignore(_data: bytes) -> None:
    """Nobody reads it."""
