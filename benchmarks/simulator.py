"""The simulator alone, DuckDB behind it: calls a second, and what SQL work does to the rest.

One process answers status calls from some connections with limits off. Then, on a sandbox, it
writes results of some 400,000 rows while it goes on answering, and a probe in its event loop tells
how long the loop was held up.
"""

import json
import signal
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from benchmarks.frame import Context, Row
from benchmarks.intake_client import request_all
from benchmarks.processes import environment, running
from benchmarks.read_memory import peak_mb
from deploy.local.owned import OwnedProcess, wait_until
from deploy.local.ports import free_ports
from deploy.local.readiness import answers_http

_CALLS_A_SECOND: Final = 1000
_HELD_UP_MS: Final = 50
_MEMORY_MB: Final = 500
_SQL: Final = "SELECT user_id, campaign, creative, impressions FROM dsp_impressions"
_RESULTS: Final = 3
_CLIENT: Final = "amzn1.application-oa2-client.simulator0000000000000000000000"
_SCALE: Final = 1000
_WINDOW: Final = {
    "timeWindowType": "EXPLICIT",
    "timeWindowStart": "2026-08-01T00:00:00",
    "timeWindowEnd": "2026-08-29T00:00:00",
}

_row = partial(Row, rival=None, ratio=None)
"""Nobody else simulates AMC: each row has a target of its own."""


def run(context: Context) -> list[Row]:
    """The rows `simulator status calls`, `simulator event loop` and `simulator memory`."""
    told = context.new_folder("simulator") / "longest"
    port, log = free_ports(1)[0], context.logs / "simulator.log"
    argv = [sys.executable, "-m", "benchmarks.simulator_probed", str(told)]
    argv += ["--port", str(port), "--time-scale", str(_SCALE), "--data-folder", str(told.parent)]
    url = f"http://127.0.0.1:{port}"
    with running(argv, log=log, env=environment()) as [process]:
        assert wait_until(lambda: answers_http(f"{url}/_simulator/health"), seconds=30), log
        sandbox = _Sandbox(url, _login(url))
        sandbox.open()
        execution = sandbox.execute()
        sandbox.wait_for(execution)
        return [
            _calls(context, sandbox, execution),
            _loop(context, sandbox, _Probe(process, told)),
            _memory(process),
        ]


@dataclass(frozen=True, slots=True)
class _Sandbox:
    """An instance that shows event rows, and the calls of its client."""

    url: str
    headers: Mapping[str, str]

    def open(self) -> None:
        entry = {"instanceId": "amcbench", "accountId": "ENTITY1SIMNORTHWIND", "type": "SANDBOX"}
        self.call("POST", "/_simulator/world", {"instances": [entry]})
        self.call("PUT", "/_simulator/switches", {"limits_enabled": False})
        workflow = {"workflowId": "events", "sqlQuery": _SQL}
        self.call("POST", "/amc/reporting/amcbench/workflows", workflow)

    def execute(self) -> str:
        body = {
            "workflowId": "events",
            "requireSyntheticData": True,
            "disableAggregationControls": True,
            **_WINDOW,
        }
        path = "/amc/reporting/amcbench/workflowExecutions"
        return str(self.call("POST", path, body)["workflowExecutionId"])

    def path(self, execution: str) -> str:
        return f"/amc/reporting/amcbench/workflowExecutions/{execution}"

    def wait_for(self, execution: str) -> None:
        def is_done() -> bool:
            found = self.call("GET", self.path(execution))
            assert found["status"] in {"PENDING", "RUNNING", "SUCCEEDED"}, found
            return bool(found["status"] == "SUCCEEDED")

        assert wait_until(is_done, seconds=120)

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  our own address
            self.url + path, data=data, headers=dict(self.headers), method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  likewise
            found: dict[str, Any] = json.loads(answer.read() or b"{}")
        return found

    def ask(self, execution: str, calls: int, connections: int) -> float:
        """Seconds for so many questions after one execution."""
        head = "\r\n".join(f"{name}: {value}" for name, value in self.headers.items())
        request = f"GET {self.path(execution)} HTTP/1.1\r\nHost: bench\r\n{head}\r\n\r\n".encode()
        started = time.perf_counter()
        request_all(self.url, repeat(request, calls), connections=connections, accepted=200)
        return time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class _Probe:
    """Asks the process for what its loop had to wait at most since it was last asked."""

    process: OwnedProcess
    told: Path

    def longest_ms(self) -> float:
        self.told.unlink(missing_ok=True)
        self.process.signal(signal.SIGUSR1)
        assert wait_until(self.told.exists, seconds=10)
        return 1000 * float(self.told.read_text())


def _calls(context: Context, sandbox: _Sandbox, execution: str) -> Row:
    calls = context.pick(full=20_000, quick=10_000, tiny=500)
    rate = calls / sandbox.ask(execution, calls, connections=16)
    return _row(
        name="simulator status calls",
        ours=rate,
        target=f">= {_CALLS_A_SECOND:,}/s",
        met=rate >= _CALLS_A_SECOND,
        unit="1/s",
        note="one process, limits off, 16 connections; its client shares the cores",
    )


def _loop(context: Context, sandbox: _Sandbox, probe: _Probe) -> Row:
    found, rows = [], 0
    for _ in range(context.pick(full=_RESULTS, quick=_RESULTS, tiny=1)):
        probe.longest_ms()
        execution = sandbox.execute()
        sandbox.wait_for(execution)
        found.append(probe.longest_ms())
        listed = sandbox.call("GET", "/_simulator/executions?limit=1000&instance_id=amcbench")
        rows = next(e["rows"] for e in listed["executions"] if e["id"] == execution)
    return _row(
        name="simulator event loop",
        ours=max(found),
        target=f"<= {_HELD_UP_MS} ms",
        met=max(found) <= _HELD_UP_MS,
        unit="ms",
        pairs=len(found),
        note=f"longest wait of the loop while {rows:,} rows were made and written",
    )


def _memory(process: OwnedProcess) -> Row:
    peak = peak_mb(process.pid)
    return _row(
        name="simulator memory",
        ours=peak,
        target=f"<= {_MEMORY_MB} MB",
        met=peak <= _MEMORY_MB,
        unit="MB",
        note="peak of the process over all of this, without the child that makes the data",
    )


def _login(url: str) -> dict[str, str]:
    """The headers that AMC wants, with a fresh access token."""
    form = (
        "grant_type=refresh_token&refresh_token=Atzr%7Csim-default"
        f"&client_id={_CLIENT}&client_secret=simulator-client-secret-not-a-real-one"
    )
    with urllib.request.urlopen(f"{url}/auth/o2/token", form.encode(), timeout=30) as answer:  # noqa: S310  our own address
        token = json.loads(answer.read())["access_token"]
    return {
        "Authorization": f"Bearer {token}",
        "Amazon-Advertising-API-ClientId": _CLIENT,
        "Amazon-Advertising-API-AdvertiserId": "ENTITY1SIMNORTHWIND",
        "Amazon-Advertising-API-MarketplaceId": "ATVPDKIKX0DER",
        "Content-Type": "application/json",
    }
