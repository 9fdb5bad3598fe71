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
from tests.e2e.doubts import begin_doubts
from tests.e2e.house import Case, House, Overdue, Place, Simulator

# AMC sixty times as fast as in life; our own waits short enough for tests. Rows are made up: nearly
# every test has an instance of its own, and data for each would take longer than the tests.
SIMULATOR = {"ENGINE": "made-up", "TIME_SCALE": "60", "DURATION_PROFILE": "uniform:60:120"}
SERVICES = {
    "AMCFLOW_POLL_SHORTEST_SECONDS": "0.3",
    "AMCFLOW_FIRST_LOOK_SECONDS": "0.3",
    "AMCFLOW_SETTLE_SECONDS": "6",
    "AMCFLOW_HTTP_TIMEOUT_SECONDS": "3",
    "AMCFLOW_GATEWAY_HOLD_SECONDS": "1",
    "AMCFLOW_LIST_LAG_SECONDS": "2",
    "AMCFLOW_LEASE_SECONDS": "6",
}
HERE = Path(__file__).parent

# Those that break more come later, and nothing comes after the look for secrets.
ORDER = (
    "requests", "limits", "idempotency", "cancel", "doubt", "amc_errors", "tokens", "controls",
    "operator", "events", "deadline", "start", "servers_away", "secrets",
)  # fmt: skip

# They outlive the run: a failure is told in full only there.
LOGS = HOME / "e2e-logs"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The modules of this folder in their order, in the places where they were."""
    places = [number for number, item in enumerate(items) if item.path.parent == HERE]
    ordered = sorted(
        (items[number] for number in places),
        key=lambda item: ORDER.index(item.path.stem.removeprefix("test_")),
    )
    for number, item in zip(places, ordered, strict=True):
        items[number] = item


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
        simulator = Simulator(amazon)
        yield House(stack, http, simulator, usual_switches=simulator.look("switches"))


@pytest.fixture(scope="session")
def overdue(session_house: House) -> Overdue:
    """Begun with the session, because the shortest deadline is a minute.

    AMC's own timeout runs in AMC's faster seconds, but not while an execution waits there.
    """
    house = session_house
    place = house.place(at_amazon={"maxConcurrentExecutions": 1})
    blocking = house.run(house.workflow("duration 9000"), place)
    house.reaches(blocking, "running")
    return Overdue(place, blocking, house.run(house.workflow(), place, deadline_seconds=60))


@pytest.fixture(scope="session")
def doubts(session_house: House) -> dict[str, Case]:
    """Begun with the session, because they take a while to settle."""
    return begin_doubts(session_house)


@pytest.fixture
def house(session_house: House, overdue: Overdue, doubts: dict[str, Case]) -> Iterator[House]:
    """The stack; Amazon behaves again after each test."""
    yield session_house
    session_house.simulator.clear_faults()
    session_house.simulator.switch(**session_house.usual_switches)


@pytest.fixture
def place(house: House) -> Place:
    """An instance of the test's own, with the default limits."""
    return house.place()
