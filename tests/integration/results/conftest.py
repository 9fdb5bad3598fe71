"""Executions to load results for."""

import pytest

from shared.db.pool import Database
from tests.integration.results.world import World


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.begin()
    return world
