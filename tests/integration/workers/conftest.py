"""Everybody who works on executions, on a real database and an AMC in memory."""

import pytest

from shared.db.pool import Database
from shared.security.keys import new_fernet_key
from shared.security.tokens import TokenVault
from tests.integration.workers.bench import Bench, make_bench
from tests.integration.workers.office import Office


@pytest.fixture
async def bench(database: Database) -> Bench:
    return await make_bench(database, TokenVault([new_fernet_key()], setting="ENCRYPTION_KEY"))


@pytest.fixture
def office(bench: Bench) -> Office:
    """Somebody at that bench who compares, and decides."""
    return Office(bench)
