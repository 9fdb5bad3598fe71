"""Celery and taskiq doing the submitter's part: tables, queues, worker processes."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import asyncpg
from typing_extensions import override

from benchmarks.frame import Context
from benchmarks.processes import environment, running
from deploy.local.owned import OwnedProcess

_TABLE: Final = """
drop table if exists rival_executions;
create table rival_executions (
  id int primary key, state text not null, amc_instance_id text not null, body jsonb not null,
  amc_execution_id text unique, claimed_at timestamptz, submitted_at timestamptz);
drop table if exists rival_results;
create table rival_results (campaign text, impressions bigint);
create index on rival_executions (state) where state <> 'completed';
"""
_FILL: Final = """
insert into rival_executions (id, state, amc_instance_id, body)
select n, 'queued', 'amcbench' || n % 58,
       '{"workflowId": "wf_bench_1", "timeWindowType": "MOST_RECENT_WEEK",
         "timeWindowTimeZone": "UTC", "parameterValues": {"start": "2026-01-01"},
         "workflowExecutionTimeoutSeconds": 21600}'
  from generate_series(1, $1) n
"""


@dataclass(frozen=True, slots=True)
class Rival:
    """One way to run workers; `workers` processes, each with `prefetch` messages in hand."""

    name: str
    workers: int
    prefetch: int
    is_whole: bool = False
    """The result is looked for and loaded too, not only the execution submitted."""

    @override
    def __str__(self) -> str:
        return f"{self.name} x {self.workers}"

    def argv(self, context: Context) -> tuple[str, ...]:
        """The worker's command line."""
        python = str(context.rival_python())
        if self.name == "celery":
            without = ("--without-gossip", "--without-mingle", "--without-heartbeat")
            app = ("-A", "benchmarks.rivals.celery_app", "worker", "-l", "warning")
            return (
                python,
                "-m",
                "celery",
                *app,
                "-P",
                "prefork",
                "-c",
                str(self.workers),
                *without,
            )
        target = "benchmarks.rivals.taskiq_app:broker"
        return (python, "-m", "taskiq", "worker", target, "--workers", str(self.workers))

    def sender(self, context: Context, count: int) -> tuple[str, ...]:
        """The command that puts `count` messages into the queue."""
        module = "celery_send" if self.name == "celery" else "taskiq_app"
        command = (str(context.rival_python()), "-m", f"benchmarks.rivals.{module}", str(count))
        return (*command, "whole") if self.is_whole else command


@dataclass(frozen=True, slots=True)
class Place:
    """Where rivals work."""

    database_url: str
    amqp_url: str
    stub_url: str

    def environment(self, rival: Rival) -> dict[str, str]:
        """What the rival's processes read."""
        return environment(
            DATABASE_URL=self.database_url,
            AMQP_URL=self.amqp_url,
            STUB_URL=self.stub_url,
            RIVAL_PREFETCH=str(rival.prefetch),
        )


def prepare_rival(context: Context, rival: Rival, place: Place, executions: int) -> None:
    """A full table and a full queue."""
    asyncio.run(_fill(place.database_url, executions))
    subprocess.run(
        rival.sender(context, executions),
        env=place.environment(rival),
        check=True,
        capture_output=True,
        timeout=300,
    )


@contextlib.contextmanager
def rival_at_work(context: Context, rival: Rival, place: Place) -> Iterator[list[OwnedProcess]]:
    """Its worker processes; the first one is the parent of the others."""
    log = context.logs / f"{rival.name}.log"
    argv = rival.argv(context)
    with running(argv, log=log, env=place.environment(rival)) as processes:
        yield processes


async def _fill(database_url: str, executions: int) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_TABLE)
        await connection.execute(_FILL, executions)
        await connection.execute("analyze rival_executions")
    finally:
        await connection.close()
