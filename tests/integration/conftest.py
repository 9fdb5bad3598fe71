"""A migrated database of its own for each test that asks for one, and what is saved in it."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.local.databases import clone_database, drop_database, with_database
from shared.db.migrate import upgrade
from shared.db.pool import Database, open_database
from tests.integration.builders import MadeInstance, MadeWorkflow, make_instance, make_workflow

TEMPLATE = "amcflow_template"


@pytest.fixture(scope="session")
async def migrated_template(postgres_server: str) -> str:
    """The name of a database that was migrated once and is never connected to again."""
    connection = await asyncpg.connect(postgres_server)
    try:
        await connection.execute(f'create database "{TEMPLATE}"')
    finally:
        await connection.close()
    await asyncio.to_thread(upgrade, with_database(postgres_server, TEMPLATE))
    return TEMPLATE


@pytest.fixture
async def database_url(postgres_server: str, migrated_template: str) -> AsyncIterator[str]:
    """The URL of a fresh clone, dropped afterwards."""
    url = await clone_database(postgres_server, migrated_template)
    yield url
    await drop_database(postgres_server, url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open pool on a fresh clone."""
    async with open_database(database_url, service="test", max_size=20) as opened:
        yield opened


@pytest.fixture
async def instance(database: Database) -> MadeInstance:
    return await make_instance(database)


@pytest.fixture
async def workflow(database: Database) -> MadeWorkflow:
    return await make_workflow(database)
