"""Fills the simulator's book from what it shows under `/_simulator/`."""

import csv
import io
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from tests.chaos.books import Arrival, RemoteExecution, RemotePart, SimulatorBook
from tests.e2e.house import Simulator

_PAGE = 10_000


def journal_end(simulator: Simulator) -> int:
    """The number of the newest entry: what is read after it belongs to the round that begins."""
    last = 0
    for entry in _journal(simulator, 0):
        last = entry["seq"]
    return last


def read_simulator(
    simulator: Simulator, instances: Collection[str], accounts: Collection[str], *, after: int
) -> SimulatorBook:
    """Everything of these instances; calls whose journal number is above `after`."""
    stats = simulator.look("stats")
    scopes = [("instances", each) for each in instances] + [("accounts", each) for each in accounts]
    return SimulatorBook(
        executions=[
            _execution(simulator, entry)
            for instance in instances
            for entry in _pages(simulator, instance)
        ],
        arrivals=[
            Arrival(
                entry["instance_id"],
                entry["method"],
                entry["path"],
                entry["status"],
                entry["arrived_at"],
                entry["fault"],
            )
            for entry in _journal(simulator, after)
            if entry["instance_id"] in instances
        ],
        peak_active={scope: stats[kind][scope]["peak_active"] for kind, scope in scopes},
    )


def _journal(simulator: Simulator, after: int) -> Iterator[dict[str, Any]]:
    while entries := simulator.look("journal", after=after, limit=_PAGE)["entries"]:
        yield from entries
        after = entries[-1]["seq"]


def _pages(simulator: Simulator, instance: str) -> Iterator[dict[str, Any]]:
    seen = 0
    while True:
        page = simulator.look("executions", instance_id=instance, after=seen, limit=_PAGE)
        yield from page["executions"]
        seen += len(page["executions"])
        if seen >= page["total"]:
            return


def _execution(simulator: Simulator, entry: dict[str, Any]) -> RemoteExecution:
    files = []
    if entry["rows"] is not None:
        files = simulator.look(f"executions/{entry['id']}/parts")["parts"]
    return RemoteExecution(
        amc_execution_id=entry["id"],
        instance=entry["instanceId"],
        workflow=entry["workflowId"],
        timeout_seconds=entry["workflowExecutionTimeoutSeconds"],
        status=entry["status"],
        created_at=_seconds(entry["createTime"]),
        started_at=entry["startTime"] and _seconds(entry["startTime"]),
        finished_at=entry["finishTime"] and _seconds(entry["finishTime"]),
        parts=tuple(RemotePart(each["sha256"], each["sizeBytes"], each["rows"]) for each in files),
        rows=tuple(row for each in files for row in _rows(each["content"])),
    )


def _rows(content: str) -> list[tuple[str, ...]]:
    """Without the header."""
    return [tuple(row) for row in csv.reader(io.StringIO(content, newline=""))][1:]


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
