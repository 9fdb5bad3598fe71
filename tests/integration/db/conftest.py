"""A database for the tests of a whole module."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.databases import clone_database, drop_database
from shared.db.pool import Database, open_database


@pytest.fixture(scope="module")
async def module_database(postgres_server: str, migrated_template: str) -> AsyncIterator[Database]:
    """One clone for a module whose tests do not meet each other's rows."""
    url = await clone_database(postgres_server, migrated_template)
    async with open_database(url, service="test", max_size=4) as opened:
        yield opened
    await drop_database(postgres_server, url)
