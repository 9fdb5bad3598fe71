"""Executions accepted a second over HTTP, each answered after its commit, against a bare INSERT.

Ours is the API as it ships, one process, with 58 instances of ten slots each, which are soon full:
nearly everything stays in line. Admission and the relay run along as they do in production; no
worker does. Bulk is one request of 10,000 executions after the other, against COPY.
"""

import asyncio
import contextlib
import itertools
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from benchmarks.frame import Context, Row, Target, measure_pairs
from benchmarks.intake_client import Answered, encode, request_all
from benchmarks.intake_rival import TABLE
from benchmarks.processes import environment, running
from benchmarks.world import make_world
from deploy.local.backends import Found
from deploy.local.owned import wait_until
from deploy.local.ports import free_ports
from deploy.local.readiness import answers_http
from shared.db.pool import open_database
from shared.db.service_tokens import ServiceTokens
from shared.domain.ids import WORKFLOW_PREFIX, show
from shared.security.keys import StackKeys, new_stack_keys
from shared.security.service_tokens import hash_service_token, new_service_token

_INSTANCES: Final = 58
_SLOTS: Final = 10
_CONNECTIONS: Final = 64
_SINGLE: Final = Target(at_least=0.5)
_BULK_PER_SECOND: Final = 5_000
_TAGS: Final = {"team": "bench", "report": "weekly"}


@dataclass(frozen=True, slots=True)
class Bench:
    """Both servers over the same Postgres, and what to send them."""

    context: Context
    database_url: str
    ours_url: str
    rival_url: str
    token: str
    workflow: str

    def ours(self) -> float:
        """Requests a second."""
        return self._singles(self.ours_url, f"/api/v1/workflows/{self.workflow}/executions")

    def rival(self) -> float:
        """Requests a second."""
        return self._singles(self.rival_url, f"/workflows/{self.workflow}/executions")

    def _singles(self, url: str, path: str) -> float:
        bodies = [_encoded({"instance_id": each, "tags": _TAGS}) for each in _instances()]
        ready = [encode(path, body, self.token) for body in bodies]
        starts = time.perf_counter() + self.context.pick(full=1.0, quick=0.5, tiny=0.2)
        ends = starts + self.context.pick(full=5.0, quick=2.0, tiny=0.5)
        answers = request_all(
            url,
            itertools.takewhile(lambda _: time.perf_counter() < ends, itertools.cycle(ready)),
            connections=_CONNECTIONS,
        )
        counted = [answer for answer in answers if starts <= answer.answered_at < ends]
        rate = len(counted) / (ends - starts)
        self.context.say(f"{rate:,.0f}/s, {_times(counted)}  {path.partition('workflows')[0]}")
        return rate

    def bulk(self) -> float:
        """Executions a second, one request after the other."""
        items = [
            {"workflow_id": self.workflow, "instance_id": instance, "tags": _TAGS}
            for instance in itertools.islice(itertools.cycle(_instances()), self._bulk_size)
        ]
        request = encode("/api/v1/executions/bulk", _encoded({"items": items}), self.token)
        started = time.perf_counter()
        answers = request_all(self.ours_url, itertools.repeat(request, self._bulk_times))
        rate = self._bulk_size * self._bulk_times / (time.perf_counter() - started)
        self.context.say(f"bulk of {self._bulk_size:,}: {rate:,.0f}/s, {_times(answers)}")
        return rate

    def copy(self) -> float:
        """Rows a second: the same rows by COPY, each time in a transaction of its own."""
        return asyncio.run(_copy(self.database_url, self._bulk_size, self._bulk_times))

    @property
    def _bulk_size(self) -> int:
        return self.context.pick(full=10_000, quick=10_000, tiny=200)

    @property
    def _bulk_times(self) -> int:
        return self.context.pick(full=3, quick=1, tiny=1)


def run(context: Context) -> list[Row]:
    """The rows `intake` and `intake bulk`."""
    with opened(context) as bench:
        # Short pairs and more of them: what else the machine does should hit both sides alike.
        single = measure_pairs(bench.ours, bench.rival, pairs=context.pick(full=7, quick=3, tiny=1))
        bulk = measure_pairs(bench.bulk, bench.copy, pairs=context.pairs)
    slowest = min(bulk.ours)
    row = bulk.row(
        "intake bulk",
        Target(),
        unit="1/s",
        note=f"rival is COPY; slowest of the bulk runs {slowest:,.0f}/s",
    )
    return [
        single.row("intake", _SINGLE, unit="1/s", note="one API process, 64 connections"),
        replace(
            row,
            target=f">= {_BULK_PER_SECOND:,}/s",
            met=statistics.median(bulk.ours) >= _BULK_PER_SECOND,
        ),
    ]


@contextlib.contextmanager
def opened(context: Context) -> Iterator[Bench]:
    """Servers, our API and the rival."""
    keys, ports = new_stack_keys(), free_ports(2)
    ours_url, rival_url = (f"http://127.0.0.1:{port}" for port in ports)
    with context.servers() as found:
        token, workflow = asyncio.run(_prepare(found.database_url, keys))
        with _api(context, found, keys, ports[0]), _rival(context, found, ports[1]):
            for probe in (f"{ours_url}/readyz", f"{rival_url}/ready"):
                assert wait_until(lambda: answers_http(probe), seconds=30), f"see {context.logs}"  # noqa: B023
            yield Bench(context, found.database_url, ours_url, rival_url, token, workflow)


@contextlib.contextmanager
def _api(context: Context, found: Found, keys: StackKeys, port: int) -> Iterator[None]:
    env = environment(
        DATABASE_URL=found.database_url,
        AMQP_URL=found.amqp_url,
        SEALING_PUBLIC_KEY=keys.sealing_public_key,
        AMCFLOW_API_PORT=str(port),
    )
    argv = (sys.executable, "-m", "services.api")
    with running(argv, log=context.logs / "intake-api.log", env=env):
        yield


@contextlib.contextmanager
def _rival(context: Context, found: Found, port: int) -> Iterator[None]:
    argv = (sys.executable, "-m", "benchmarks.intake_rival", str(port))
    env = environment(DATABASE_URL=found.database_url)
    with running(argv, log=context.logs / "intake-rival.log", env=env):
        yield


async def _prepare(database_url: str, keys: StackKeys) -> tuple[str, str]:
    token = new_service_token()
    async with open_database(database_url, service="bench") as database:
        world = await make_world(
            database,
            access_token_key=keys.access_token_key,
            instances=_INSTANCES,
            executions_at_once=_SLOTS,
        )
        await ServiceTokens(database).create("bench", hash_service_token(token))
        await database.execute(TABLE)
    return token, show(WORKFLOW_PREFIX, world.workflow)


async def _copy(database_url: str, rows: int, times: int) -> float:
    connection = await asyncpg.connect(database_url)
    try:
        started = time.perf_counter()
        for _ in range(times):
            await connection.copy_records_to_table(
                "plain_executions", records=list(_plain(rows)), columns=_COLUMNS
            )
        return rows * times / (time.perf_counter() - started)
    finally:
        await connection.close()


_COLUMNS: Final = ("id", "workflow_id", "instance_id", "priority", "tags")


def _plain(rows: int) -> Iterator[tuple[UUID, str, str, int, str]]:
    tags = json.dumps(_TAGS)
    for instance in itertools.islice(itertools.cycle(_instances()), rows):
        yield uuid4(), "wf_bench", instance, 5, tags


def _instances() -> list[str]:
    return [f"amcbench{number}" for number in range(_INSTANCES)]


def _encoded(body: object) -> bytes:
    return json.dumps(body).encode()


def _times(answers: list[Answered]) -> str:
    taken = sorted(answer.answered_at - answer.sent_at for answer in answers)
    last = taken[int(len(taken) * 0.99)]
    return f"p50 {taken[len(taken) // 2] * 1000:.0f} ms, p99 {last * 1000:.0f} ms"
