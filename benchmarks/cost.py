"""What 1,000 executions cost in CPU, and whether memory grows with what has been done.

Ours: all services, from the request to the rows in `results`, on the simulator without its clock
sped up; the simulator and both servers are not counted. The rival: Celery's workers doing create,
one look, one download and one COPY, on the same servers; it has no limits, polling, events,
history, retries or budget to keep.
"""

import asyncio
import itertools
import statistics
import time
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from benchmarks.frame import Context, Row, Target, measure_pairs
from benchmarks.processes import cost_of, stub_amc
from benchmarks.rival_workers import Place as RivalPlace
from benchmarks.rival_workers import Rival, prepare_rival, rival_at_work
from benchmarks.town import Place, Town, open_town
from deploy.local.owned import wait_until
from deploy.local.postgres import PostgresNode
from deploy.local.rabbitmq import RabbitmqNode

_FLAT: Final = Target(at_most=1.1)
_LONGEST_SECONDS: Final = 1_500.0
_SIMULATOR: Final = {"ROWS_PROFILE": "uniform:20:20", "MAX_CONCURRENT_EXECUTIONS": "20"}
_SERVICES: Final = {"AMCFLOW_DOWNLOADS": "16"}
"""More in hand than the four that are made for large results: these are small and wait for the
turns of their links, so that the run would take twice as long and cost the same."""
_CELERY: Final = Rival("celery", workers=2, prefetch=8, is_whole=True)


@dataclass(slots=True)
class Ours:
    """The stack at work, and what it has used from slice to slice."""

    town: Town
    workflow: str
    places: list[Place]
    asked: int = 0
    memory: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    """Megabytes of each service after so many executions."""
    cpu: list[dict[str, float]] = field(default_factory=list)
    """Seconds of each service and server for 1,000 executions, slice by slice."""
    lasted: list[float] = field(default_factory=list)
    """Seconds for 1,000 executions, slice by slice."""

    def run(self, executions: int) -> float:
        """CPU seconds of all services for these."""
        before, began = self._cpu(), time.monotonic()
        turns = itertools.islice(itertools.cycle(self.places), executions)
        self.town.ask(self.workflow, [place.id for place in turns])
        self.asked += executions
        if not wait_until(self._is_done, seconds=_LONGEST_SECONDS):
            raise TimeoutError(f"not all of {self.asked} executions ended")
        self.lasted.append(1_000 * (time.monotonic() - began) / executions)
        self.memory.append((self.asked, self._memory()))
        used = {name: seconds - before[name] for name, seconds in self._cpu().items()}
        self.cpu.append({name: 1_000 * each / executions for name, each in used.items()})
        return sum(used[name] for name in self._services())

    def idle(self, seconds: float) -> float:
        """Cores that all services use while there is nothing to do."""
        before = self._cpu()
        time.sleep(seconds)
        after = self._cpu()
        return sum(after[name] - before[name] for name in self._services()) / seconds

    def _is_done(self) -> bool:
        time.sleep(0.5)
        rows = self.town.rows(
            "select count(*) as n from workflow_executions where state = 'completed'"
        )
        return int(rows[0]["n"]) >= self.asked

    def _services(self) -> dict[str, list[int]]:
        pids = self.town.stack.supervisor.pids()
        return {name: list(those) for name, those in pids.items() if name != "simulator"}

    def _cpu(self) -> dict[str, float]:
        found = self.town.stack.found
        servers = {
            name: [server.pid]
            for name, server in (("postgres", found.postgres), ("rabbitmq", found.rabbitmq))
            if isinstance(server, PostgresNode | RabbitmqNode) and server.pid is not None
        }
        pids = {**self._services(), **servers}
        return {name: cost_of(those).cpu_seconds for name, those in pids.items()}

    def _memory(self) -> dict[str, float]:
        return {
            name: round(cost_of(those).memory_mb, 1) for name, those in self._services().items()
        }


def run(context: Context) -> list[Row]:
    """The rows `cost: CPU` and `cost: memory`."""
    places = [
        Place(f"cost{number}", 20) for number in range(context.pick(full=20, quick=20, tiny=2))
    ]
    slice_of = context.pick(full=1_000, quick=100, tiny=10)
    total = context.pick(full=20_000, quick=500, tiny=30)
    runs = context.pick(full="uniform:2:6", quick="uniform:1:2", tiny="uniform:1:2")
    simulator = {**_SIMULATOR, "DURATION_PROFILE": runs}
    with (
        open_town(context, "cost", places, simulator=simulator, services=_SERVICES) as town,
        stub_amc(context.logs / "cost-stub.log") as stub,
    ):
        ours = Ours(town, town.workflow(), places)
        ours.run(slice_of)  # what starts, warms up and fills caches is not counted
        idle = ours.idle(context.pick(full=20.0, quick=5.0, tiny=1.0))
        found = town.stack.found
        place = RivalPlace(found.database_url, found.amqp_url, stub)
        pairs = measure_pairs(
            lambda: ours.run(slice_of) * 1_000 / slice_of,
            lambda: _rival(context, place, slice_of) * 1_000 / slice_of,
            pairs=context.pairs,
        )
        warm = ours.memory[-1]
        while ours.asked < total:
            ours.run(min(total - ours.asked, max(slice_of, total // 8)))
    cpu = pairs.row(
        "cost: CPU",
        Target(),
        unit="s/1,000",
        note=f"all services; idle they use {idle:.1%} of a core, {_idle_share(ours, idle):.0%} of"
        " this; celery: create, look, download, COPY",
        details={"cpu_by_slice": ours.cpu, "seconds_by_slice": ours.lasted, "idle_cores": idle},
    )
    return [cpu, _memory_row(warm, ours.memory)]


def _idle_share(ours: Ours, idle: float) -> float:
    """Of the CPU of a slice, what the services would have used with nothing to do."""
    busy = [
        sum(each for name, each in cpu.items() if name not in {"postgres", "rabbitmq"})
        for cpu in ours.cpu
    ]
    return statistics.median(
        idle * seconds / used for seconds, used in zip(ours.lasted, busy, strict=True)
    )


def _memory_row(
    warm: tuple[int, dict[str, float]], memory: list[tuple[int, dict[str, float]]]
) -> Row:
    asked, last = memory[-1]
    before, after = sum(warm[1].values()), sum(last.values())
    return Row(
        name="cost: memory",
        ours=after,
        rival=before,
        ratio=after / before,
        target=str(_FLAT),
        met=_FLAT.met_by(after / before),
        unit="MB",
        note=f"after {asked:,} executions, against after {warm[0]:,}",
        details={"by_executions": [[number, services] for number, services in memory]},
    )


def _rival(context: Context, place: RivalPlace, executions: int) -> float:
    """CPU seconds of the workers, their start left out."""
    with rival_at_work(context, _CELERY, place) as processes:
        pids = [process.pid for process in processes]
        time.sleep(4)
        before = cost_of(pids).cpu_seconds
        prepare_rival(context, _CELERY, place, executions)
        if not wait_until(lambda: _all_completed(place, executions), seconds=_LONGEST_SECONDS):
            raise TimeoutError(f"celery did not end {executions} executions")
        return cost_of(pids).cpu_seconds - before


def _all_completed(place: RivalPlace, executions: int) -> bool:
    time.sleep(0.25)
    return asyncio.run(_completed(place.database_url)) >= executions


async def _completed(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        query = "select count(*) from rival_executions where state = 'completed'"
        return int(await connection.fetchval(query))
    finally:
        await connection.close()
