"""The simulator as its own process on a free port, and a client that is logged in."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest

CLIENT_ID = "amzn1.application-oa2-client.simulator0000000000000000000000"
START_LINE = "simulator: listening on "


@dataclass
class Process:
    """A running simulator."""

    popen: subprocess.Popen[str]
    url: str

    def control(self, path: str, body: object) -> None:
        method = "PUT" if path == "switches" else "POST"
        httpx.request(method, f"{self.url}/_simulator/{path}", json=body).raise_for_status()

    def seen(self, path: str) -> dict:
        return httpx.get(f"{self.url}/_simulator/{path}").raise_for_status().json()


def launch(*flags: str) -> Process:
    popen = subprocess.Popen(
        [sys.executable, "-m", "services.simulator", "--port", "0", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = popen.stdout.readline()
    assert line.startswith(START_LINE), popen.communicate(timeout=10)[1]
    return Process(popen, line.removeprefix(START_LINE).strip())


def end(process: Process) -> None:
    if process.popen.poll() is None:
        process.popen.terminate()
    process.popen.communicate(timeout=10)


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Starts simulators with flags of the test's own; all are ended."""
    running: list[Process] = []

    def starting(*flags: str) -> Process:
        running.append(launch(*flags))
        return running[-1]

    yield starting
    for process in running:
        end(process)


@pytest.fixture(scope="session")
def shared_process() -> Iterator[Process]:
    process = launch(
        *("--engine", "made-up", "--time-scale", "600", "--duration-profile", "fixed:60"),
        *("--url-lifetime-seconds", "1", "--part-bytes", "20000"),
    )
    yield process
    end(process)


@pytest.fixture
def simulator(shared_process: Process) -> Process:
    """The shared process without rules of other tests and without a request limit."""
    httpx.delete(f"{shared_process.url}/_simulator/faults").raise_for_status()
    shared_process.control("switches", {"limits_enabled": False})
    return shared_process


def log_in(url: str) -> httpx.Client:
    """A client of the first default instance."""
    form = {
        "grant_type": "refresh_token",
        "refresh_token": "Atzr|sim-default",
        "client_id": CLIENT_ID,
        "client_secret": "simulator-client-secret-not-a-real-one",
    }
    token = httpx.post(f"{url}/auth/o2/token", data=form).raise_for_status().json()
    headers = {
        "Authorization": f"Bearer {token['access_token']}",
        "Amazon-Advertising-API-ClientId": CLIENT_ID,
        "Amazon-Advertising-API-AdvertiserId": "ENTITY1SIMNORTHWIND",
        "Amazon-Advertising-API-MarketplaceId": "ATVPDKIKX0DER",
    }
    return httpx.Client(base_url=f"{url}/amc/reporting/amcsimnwus1", headers=headers, timeout=10)


@pytest.fixture
def amc(simulator: Process) -> Iterator[httpx.Client]:
    with log_in(simulator.url) as client:
        yield client
