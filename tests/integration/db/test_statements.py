"""Every statement in the query files fits the migrated schema."""

import pytest

from shared.db.pool import Database
from shared.db.queries import files, load

STATEMENTS = [(file, name) for file in files() for name in load(file)]


@pytest.fixture(scope="module")
def database(module_database: Database) -> Database:
    return module_database


@pytest.mark.parametrize(("file", "name"), STATEMENTS)
async def test_a_statement_can_be_prepared(database: Database, file: str, name: str) -> None:
    async with database.connection() as connection:
        await connection.prepare(load(file)[name])
