"""The whole system as processes, started once: every service, the simulator, real servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.profiles import FAST
from deploy.local.scratch import scratch_folder
from deploy.local.stack import RunningStack, StackOptions, running_stack
from deploy.local.welcome import Api, register

# AMC sixty times as fast as in life; our own waits short enough for tests.
SIMULATOR = {"TIME_SCALE": "60", "DURATION_PROFILE": "uniform:60:120"}
SERVICES = {
    "AMCFLOW_POLL_SHORTEST_SECONDS": "0.3",
    "AMCFLOW_FIRST_LOOK_SECONDS": "0.3",
    "AMCFLOW_SETTLE_SECONDS": "6",
    "AMCFLOW_HTTP_TIMEOUT_SECONDS": "4",
    "AMCFLOW_LEASE_SECONDS": "10",
}


@pytest.fixture(scope="session")
def stack_folder() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def stack(stack_folder: Path) -> Iterator[RunningStack]:
    """Two replicas of each worker, accounts and instances registered."""
    options = StackOptions(
        replicas=2,
        folder=stack_folder / "data",
        logs=stack_folder / "logs",
        profile=FAST,
        simulator=SIMULATOR,
        services=SERVICES,
        fixed_ports=False,
    )
    with running_stack(options) as running:
        client = Api(running.api_url, running.secrets.service_token)
        register(client)
        client.close()
        yield running


@pytest.fixture
def api(stack: RunningStack) -> Iterator[Api]:
    """The public API as a client sees it."""
    client = Api(stack.api_url, stack.secrets.service_token)
    yield client
    client.close()
