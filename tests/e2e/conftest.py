"""The whole system as processes, started once: every service, the simulator, real servers."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.paths import HOME
from deploy.local.profiles import FAST
from deploy.local.scratch import scratch_folder
from deploy.local.stack import RunningStack, StackOptions, running_stack
from deploy.local.welcome import Api, register
from tests.e2e.house import House, Place, Simulator

# AMC sixty times as fast as in life; our own waits short enough for tests.
SIMULATOR = {"TIME_SCALE": "60", "DURATION_PROFILE": "uniform:60:120"}
SERVICES = {
    "AMCFLOW_POLL_SHORTEST_SECONDS": "0.3",
    "AMCFLOW_FIRST_LOOK_SECONDS": "0.3",
    "AMCFLOW_SETTLE_SECONDS": "6",
    "AMCFLOW_HTTP_TIMEOUT_SECONDS": "3",
    "AMCFLOW_LEASE_SECONDS": "6",
}
# They outlive the run: a failure is told in full only there.
LOGS = HOME / "e2e-logs"


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
        logs=LOGS,
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


@pytest.fixture(scope="session")
def session_house(stack: RunningStack) -> Iterator[House]:
    """The doors of the stack, open for the session; tests take `house`."""
    headers = {"Authorization": f"Bearer {stack.secrets.service_token}"}
    with (
        httpx.Client(
            base_url=f"{stack.api_url}/api/v1", headers=headers, timeout=30, trust_env=False
        ) as http,
        httpx.Client(base_url=stack.simulator_url, timeout=30, trust_env=False) as amazon,
    ):
        yield House(stack, http, Simulator(amazon))


@pytest.fixture
def house(session_house: House) -> Iterator[House]:
    """The stack; Amazon behaves again after each test."""
    switches = session_house.simulator.look("switches")
    yield session_house
    session_house.simulator.clear_faults()
    session_house.simulator.switch(**switches)


@pytest.fixture
def place(house: House) -> Place:
    """An instance of the test's own, with the default limits."""
    return house.place()
