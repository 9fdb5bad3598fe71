"""The loops that a scenario on the wire runs under: asyncio's own and uvloop."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop

Scenario = Callable[[], Awaitable[None]]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    return lambda scenario: request.param(scenario())
