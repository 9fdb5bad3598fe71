"""How many executions a second the submitter brings to AMC, against Celery and taskiq.

All messages lie in the queue before the workers start; the rate is counted from the rows' own
times between the 10th and the 95th hundredth, so that starting and stopping are left out. The
stub of AMC, both servers and the two cores are the same for all.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import asyncpg
from typing_extensions import override

from benchmarks.frame import Context, Row, Target, measure_pairs
from benchmarks.processes import environment, running, stub_amc
from benchmarks.rival_workers import Place, Rival, prepare_rival, rival_at_work
from benchmarks.world import prepared
from deploy.local.databases import clone_database, database_of, drop_database, with_database
from deploy.local.owned import OwnedProcess
from shared.security.keys import new_stack_keys

WayT = TypeVar("WayT", bound=Hashable)

_INSTANCES: Final = 58
_TARGET: Final = Target(at_least=1.5)
_STILL_SECONDS: Final = 30.0
_RATE: Final = """
with done as (
  select submitted_at, row_number() over (order by submitted_at) as n
    from {table} where submitted_at is not null)
select (b.n - a.n) / nullif(extract(epoch from b.submitted_at - a.submitted_at), 0)::float8
  from done a, done b
 where a.n = greatest(1, $1::int / 10) and b.n = $1::int * 95 / 100
"""


@dataclass(frozen=True, slots=True)
class Ours:
    """How our submitter runs: processes, and messages in the hand of each."""

    replicas: int
    prefetch: int

    @override
    def __str__(self) -> str:
        return f"submitter x {self.replicas}, {self.prefetch} in hand"


@dataclass(frozen=True, slots=True)
class Bench:
    """The servers, the stub and the keys of one run."""

    context: Context
    database_url: str
    amqp_url: str
    stub_url: str
    key: str

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """A fresh database of our schema."""
        server = with_database(self.database_url, "postgres")
        url = asyncio.run(clone_database(server, database_of(self.database_url)))
        try:
            yield url
        finally:
            asyncio.run(drop_database(server, url))

    def ours(self, ours: Ours, executions: int) -> float:
        """Executions a second."""
        with self.database() as url:
            asyncio.run(
                prepared(
                    url,
                    self.amqp_url,
                    access_token_key=self.key,
                    instances=_INSTANCES,
                    executions=executions,
                )
            )
            with self.submitters(url, ours):
                return wait_and_rate(url, "workflow_executions", executions)

    @contextlib.contextmanager
    def submitters(self, database_url: str, ours: Ours) -> Iterator[list[OwnedProcess]]:
        """The product's own processes."""
        env = environment(
            DATABASE_URL=database_url,
            AMQP_URL=self.amqp_url,
            ENCRYPTION_KEY=self.key,
            AMCFLOW_SIMULATOR_URL=self.stub_url,
            AMCFLOW_PREFETCH=str(ours.prefetch),
            AMCFLOW_LOG_LEVEL="INFO",
        )
        argv = (sys.executable, "-m", "services.submitter")
        log = self.context.logs / "submitter.log"
        with running(argv, log=log, env=env, count=ours.replicas) as processes:
            yield processes

    def rival(self, rival: Rival, executions: int) -> float:
        """Executions a second."""
        with self.database() as url:
            place = Place(url, self.amqp_url, self.stub_url)
            prepare_rival(self.context, rival, place, executions)
            with rival_at_work(self.context, rival, place):
                return wait_and_rate(url, "rival_executions", executions)


@contextlib.contextmanager
def opened(context: Context) -> Iterator[Bench]:
    """Servers, stub and keys."""
    with context.servers() as found, stub_amc(context.logs / "stub.log") as stub:
        yield Bench(
            context, found.database_url, found.amqp_url, stub, new_stack_keys().access_token_key
        )


def run(context: Context) -> list[Row]:
    """The row `submit`: ours against the better of the two."""
    executions = context.pick(full=6_000, quick=1_500, tiny=60)
    trial = context.pick(full=1_500, quick=600, tiny=20)
    with opened(context) as bench:
        ours = _best(context, _ways_of_ours(context), lambda way: bench.ours(way, trial))
        celery = _best(context, _ways_of_celery(context), lambda way: bench.rival(way, trial))
        taskiq = _best(context, _ways_of_taskiq(context), lambda way: bench.rival(way, trial))
        found: dict[str, list[float]] = {"celery": [], "taskiq": []}

        def rivals() -> float:
            for rival in (celery, taskiq):
                found[rival.name].append(bench.rival(rival, executions))
            return max(found["celery"][-1], found["taskiq"][-1])

        pairs = measure_pairs(lambda: bench.ours(ours, executions), rivals, pairs=context.pairs)
    note = f"{ours}; better of {celery} and {taskiq}"
    return [pairs.row("submit", _TARGET, unit="1/s", note=note, details={**found})]


def wait_and_rate(database_url: str, table: str, executions: int) -> float:
    """Executions a second, once all are done; TimeoutError if they stop moving."""
    return asyncio.run(_wait_and_rate(database_url, table, executions))


async def _wait_and_rate(database_url: str, table: str, executions: int) -> float:
    count = f"select count(*) from {table} where submitted_at is not null"
    connection = await asyncpg.connect(database_url)
    try:
        done, moved_at = 0, time.monotonic()
        while done < executions:
            await asyncio.sleep(0.25)
            if (now := await connection.fetchval(count)) > done:
                done, moved_at = now, time.monotonic()
            if time.monotonic() - moved_at > _STILL_SECONDS:
                raise TimeoutError(f"{table} stand still at {done} of {executions}")
        return float(await connection.fetchval(_RATE.format(table=table), executions))
    finally:
        await connection.close()


def _ways_of_ours(context: Context) -> list[Ours]:
    tiny = [Ours(1, 16)]
    return context.pick(
        full=[Ours(1, 96), Ours(2, 64), Ours(2, 96)], quick=[Ours(2, 96)], tiny=tiny
    )


def _ways_of_celery(context: Context) -> list[Rival]:
    full = [Rival("celery", workers, 8) for workers in (2, 4, 8)]
    return context.pick(full=full, quick=full[1:2], tiny=full[:1])


def _ways_of_taskiq(context: Context) -> list[Rival]:
    full = [Rival("taskiq", workers, 64) for workers in (1, 2)]
    return context.pick(full=full, quick=full[1:], tiny=full[:1])


def _best(context: Context, ways: list[WayT], measure: Callable[[WayT], float]) -> WayT:
    """The fastest of a small sweep; one way alone needs no trial."""
    if len(ways) == 1:
        return ways[0]
    rates = {way: measure(way) for way in ways}
    for way, rate in rates.items():
        context.say(f"{way}: {rate:.0f}/s")
    return max(ways, key=lambda way: rates[way])
