"""One instance of one account, and one saved workflow."""

import pytest

from shared.db.pool import Database
from tests.integration.builders import MadeInstance, MadeWorkflow, make_instance, make_workflow


@pytest.fixture
async def instance(database: Database) -> MadeInstance:
    return await make_instance(database)


@pytest.fixture
async def workflow(database: Database) -> MadeWorkflow:
    return await make_workflow(database)
