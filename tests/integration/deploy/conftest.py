"""An empty database, as a new deployment finds it."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.databases import clone_database, drop_database


@pytest.fixture
async def fresh_database_url(postgres_server: str) -> AsyncIterator[str]:
    url = await clone_database(postgres_server, "template0")
    yield url
    await drop_database(postgres_server, url)
