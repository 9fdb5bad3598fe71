"""One instance of one account, and one saved workflow."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.databases import clone_database, drop_database
from shared.db.pool import Database, open_database
from tests.integration.builders import MadeInstance, MadeWorkflow, make_instance, make_workflow


@pytest.fixture(scope="module")
async def module_database(postgres_server: str, migrated_template: str) -> AsyncIterator[Database]:
    """One clone for a module whose tests do not meet each other's rows."""
    url = await clone_database(postgres_server, migrated_template)
    async with open_database(url, service="test", max_size=4) as opened:
        yield opened
    await drop_database(postgres_server, url)


@pytest.fixture
async def instance(database: Database) -> MadeInstance:
    return await make_instance(database)


@pytest.fixture
async def workflow(database: Database) -> MadeWorkflow:
    return await make_workflow(database)
