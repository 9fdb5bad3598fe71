"""A whole simulator on a clock that only the test moves, and a client that is logged in."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import httpx
import pytest

from services.simulator.settings import SimulatorSettings
from services.simulator.simulator import Simulator, build_simulator
from services.simulator.web.app import build_app

START = 1_790_000_000.0
SQL = "SELECT campaign, SUM(impressions) AS imps FROM dsp_impressions GROUP BY campaign"
WEEK = {
    "timeWindowType": "EXPLICIT",
    "timeWindowStart": "2026-08-01T00:00:00",
    "timeWindowEnd": "2026-08-08T00:00:00",
}


@dataclass
class ManualClock:
    """Time stands still until the test passes some."""

    at: float = START

    def now(self) -> float:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Amc:
    """A client of one simulated instance that never exceeds the request rate."""

    http: httpx.AsyncClient
    simulator: Simulator
    clock: ManualClock
    instance_id: str = "amcsimnwus1"
    pace: float = field(default=0.1)

    async def call(self, method: str, path: str, body: object = None, **options) -> httpx.Response:
        self.clock.pass_(self.pace)
        content = None if body is None else json.dumps(body)
        url = f"/amc/reporting/{self.instance_id}{path}"
        return await self.http.request(method, url, content=content, **options)

    async def get(self, path: str, **options) -> httpx.Response:
        return await self.call("GET", path, **options)

    async def save(self, workflow_id: str = "wf", sql: str = SQL, **members) -> httpx.Response:
        return await self.call(
            "POST", "/workflows", {"workflowId": workflow_id, "sqlQuery": sql, **members}
        )

    async def run(self, workflow_id: str = "wf", **members) -> httpx.Response:
        body = {"workflowId": workflow_id, **WEEK, **members}
        return await self.call("POST", "/workflowExecutions", body)

    async def started(self, sql: str = SQL, **members) -> str:
        """The id of an execution of a new workflow."""
        workflow_id = f"wf{len(self.simulator.world.instances[self.instance_id].workflows)}"
        assert (await self.save(workflow_id, sql)).status_code == 200
        answer = await self.run(workflow_id, **members)
        assert answer.status_code == 200, answer.text
        return answer.json()["workflowExecutionId"]

    async def look(self, execution_id: str) -> dict:
        return (await self.get(f"/workflowExecutions/{execution_id}")).json()

    async def finished(self, execution_id: str) -> dict:
        self.clock.pass_(100_000)
        self.log_in()
        return await self.look(execution_id)

    def log_in(self) -> None:
        tokens = self.simulator.tokens
        grant = tokens.grant("Atzr|sim-default")
        self.http.headers["authorization"] = f"Bearer {tokens.issue(grant)}"


def client_of(simulator: Simulator, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(build_app(simulator))
    return httpx.AsyncClient(transport=transport, base_url="http://sim.test", headers=headers)


def account_of(simulator: Simulator) -> dict[str, str]:
    """The headers of an account that is there from the start."""
    return {
        "Amazon-Advertising-API-ClientId": simulator.settings.client_id,
        "Amazon-Advertising-API-AdvertiserId": "ENTITY1SIMNORTHWIND",
        "Amazon-Advertising-API-MarketplaceId": "ATVPDKIKX0DER",
    }


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make_simulator(clock: ManualClock) -> Callable[..., Simulator]:
    def make(**settings) -> Simulator:
        # Made-up rows have a known number and are there at once, whatever the clock says.
        known = {"engine": "made-up", "duration_profile": "fixed:60", "rows_profile": "fixed:50"}
        known |= settings
        return build_simulator(SimulatorSettings(**known), clock)

    return make


@pytest.fixture
def simulator(make_simulator) -> Simulator:
    return make_simulator()


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(simulator) as client:
        yield client


@pytest.fixture
async def amc(http: httpx.AsyncClient, simulator: Simulator, clock: ManualClock) -> Amc:
    http.headers.update(account_of(simulator))
    client = Amc(http, simulator, clock)
    client.log_in()
    return client
