"""A migrated database of our own and executions to load results for."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest

from deploy.local.databases import clone_database, drop_database
from shared.db.migrate import upgrade
from shared.db.pool import Database, open_database
from tests.integration.results.world import World


@pytest.fixture(scope="session")
def server_url() -> str:
    return os.environ.get("AMCFLOW_TEST_DATABASE_URL", "postgresql://root@127.0.0.1:5432/postgres")


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    with ThreadPoolExecutor(1) as pool:
        url = pool.submit(asyncio.run, clone_database(server_url, "template1")).result()
        pool.submit(upgrade, url).result()
        yield url
        pool.submit(asyncio.run, drop_database(server_url, url)).result()


@pytest.fixture
async def database_url(server_url: str, template: str) -> AsyncIterator[str]:
    url = await clone_database(server_url, urlsplit(template).path.removeprefix("/"))
    yield url
    await drop_database(server_url, url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, service="test") as database:
        yield database


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.begin()
    return world
