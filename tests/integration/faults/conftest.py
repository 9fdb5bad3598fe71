"""A second worker, in a process of its own that can be frozen and ended."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.paths import PROJECT
from shared.db.pool import Database
from shared.security.keys import new_fernet_key
from shared.security.tokens import TokenVault
from tests.integration.builders import (
    until,
)
from tests.integration.workers.bench import Bench, make_bench
from tests.stop_points import StopPoints


@dataclass
class Other:
    """The other worker."""

    process: Process

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            return (await self.process.stdout.readline()).decode().strip()

    def order(self, order: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")

    async def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await self.line())
        return answer

    async def is_frozen(self) -> None:
        """As soon as it has stopped."""
        stat = Path(f"/proc/{self.process.pid}/stat")

        def state() -> str:
            return stat.read_text().rpartition(")")[2].split()[0]

        async def stopped() -> bool:
            return state() == "T"

        await until(stopped, seconds=20)

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()


async def start() -> Other:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.faults.worker",
        cwd=PROJECT,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
    )
    other = Other(process)
    assert await other.line() == "ready"
    return other


async def end(other: Other) -> None:
    if other.process.returncode is None:
        other.kill()
    await other.process.wait()


@pytest.fixture(scope="module")
async def lasting() -> AsyncIterator[Other]:
    """One for a whole module, whose tests let it live."""
    other = await start()
    yield other
    await end(other)


@pytest.fixture
async def mortal() -> AsyncIterator[Other]:
    """One for one test."""
    other = await start()
    yield other
    await end(other)


@pytest.fixture
def points(tmp_path: Path) -> StopPoints:
    points = StopPoints(tmp_path)
    points.prepare()
    return points


@dataclass
class Town:
    """What both workers share: the database, one instance, one workflow and the key of tokens."""

    bench: Bench
    database_url: str
    key: str
    points: StopPoints

    def order(self, command: str, **members: Any) -> dict[str, Any]:
        return {
            "command": command,
            "database_url": self.database_url,
            "folder": str(self.points.folder),
            "key": self.key,
            "instance": self.bench.instance.key,
            "account": self.bench.instance.account,
            "workflow": str(self.bench.workflow.id),
            "amc_workflow": self.bench.workflow.amc_workflow_id,
            **{name: _plain(value) for name, value in members.items()},
        }


def _plain(value: Any) -> Any:
    return value if isinstance(value, list | dict | bool) else str(value)


@pytest.fixture
async def town(database: Database, database_url: str, points: StopPoints) -> Town:
    key = new_fernet_key()
    bench = await make_bench(database, TokenVault([key], setting="ENCRYPTION_KEY"))
    return Town(bench, database_url, key, points)
