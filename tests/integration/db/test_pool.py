"""Connections between their uses: nothing of one use is left for the next."""

import re

import pytest

from shared.db.pool import Database, open_database
from shared.db.queries import files, load

# Of a session, not of a transaction: the pool would hand them on.
OF_A_SESSION = re.compile(
    r"set_config\([^()]*(?:\([^()]*\)[^()]*)*,\s*false\s*\)|\blisten\b"
    r"|\bpg_(?:try_)?advisory_lock|^\s*set (?!local\b)\w+\s*(?:=|to\b)",
    re.IGNORECASE | re.MULTILINE,
)


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
