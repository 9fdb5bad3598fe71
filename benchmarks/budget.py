"""How much of AMC's limit is used when there is no end of work, and whether it is ever exceeded.

20 instances, three replicas of every worker, a second of work or more in line on each at any time;
runs never end, so nearly all calls are creations, with the looks of the poller between them.
Everything is counted where AMC counts, by the simulator's clock. The rival that has to be met is
the limit itself; Celery's `rate_limit="10/s"` on three workers is shown beside it.
"""

import contextlib
import math
import os
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from benchmarks.frame import Context, Row, Target, measure_pairs
from benchmarks.polling_rival import write_task
from benchmarks.processes import environment, running
from benchmarks.town import Arrival, Place, Town, open_town
from deploy.local.owned import OwnedProcess, wait_until

_LIMIT: Final = 10
_TARGET: Final = Target(at_least=0.93)
_FIRST: Final = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
"""Of the simulator alone, not of what it starts."""
_BEFORE_ALL_OTHERS: Final = os.sched_param(1)
_FEW: Final = 5
"""Instances that two cores can serve to the limit: what is missed with more is the cores'."""
_REPLICAS: Final = 3
_LONGEST_WAIT_SECONDS: Final = 1.0
_THROTTLED: Final = 429
_AT_ONCE: Final = 100_000
_ENOUGH: Final = 3 * _LIMIT
"""Executions in line on one instance: three seconds of calls."""
_LOOK_SECONDS: Final = 0.5
_SPARE_SECONDS: Final = 3.0
"""No more is put in line than can be called until so long after the window."""
_IN_LINE: Final = """
select i.amc_instance_id as id, count(*) as n
  from workflow_executions e join amc_instances i on i.id = e.instance_id
 where e.state in ('queued', 'submitting') group by 1
"""
_DEEP: Final = 4
"""Processes of each Celery worker. With threads its rate limits wake up once a second only."""


@dataclass(frozen=True, slots=True)
class Length:
    """Seconds to settle and to count, and on how many instances."""

    settle: float
    window: float
    instances: int

    @property
    def calls(self) -> int:
        """More than the limit allows one instance until the window ends."""
        return int((self.settle + self.window) * _LIMIT * 1.1)

    @property
    def seconds(self) -> float:
        """Until the window ends."""
        return self.settle + self.window


@dataclass(frozen=True, slots=True)
class Spell:
    """What reached AMC in one window."""

    rate: float
    """Calls a second that AMC let in, of the median instance."""
    slowest: float
    throttled: int
    peak: int
    """Most calls of one instance within any second, refused or not."""


def run(context: Context) -> list[Row]:
    """Ours against the limit, Celery beside it, and the longest wait of a look."""
    length = context.pick(full=Length(12, 20, 20), quick=Length(4, 4, 20), tiny=Length(4, 3, 2))
    # Each turn has instances of its own: what ran before stays at AMC and is looked at.
    turns = [_places(f"ours{turn}", length) for turn in range(context.pairs)]
    few = [
        _places(f"few{turn}", replace(length, instances=_FEW))
        for turn in range(context.pick(full=3, quick=1, tiny=1))
    ]
    rivals = _places("rival", length)
    simulator = {
        "DURATION_PROFILE": "fixed:80000",
        "MAX_CONCURRENT_EXECUTIONS": str(_AT_ONCE),
        "REQUESTS_PER_SECOND": str(_LIMIT),
    }
    every = [*rivals, *(place for places in (*turns, *few) for place in places)]
    with open_town(context, "budget", every, replicas=_REPLICAS, simulator=simulator) as town:
        _put_first(town.stack.supervisor.pids()["simulator"])
        bench = _Bench(context, town, length, ours=iter(turns), rivals=rivals)
        both = measure_pairs(bench.measure_ours, bench.measure_celery, pairs=context.pairs)
        waits = _waits(town)
        of_few = [bench.spell_of_ours(places) for places in few]
    beside = "; ".join(
        f"{spell.rate:.1f}/s let in, {spell.throttled} x 429, peak {spell.peak}"
        for spell in bench.of_celery
    )
    return [
        _against_the_limit("budget", bench.of_ours, longest_wait=waits[-1]),
        _against_the_limit(f"budget of {_FEW} instances", of_few),
        both.row(
            "budget: beside Celery's rate_limit",
            Target(),
            unit="1/s",
            note=f"Celery: {beside}",
            details={"celery": [asdict(spell) for spell in bench.of_celery]},
        ),
        _longest_wait(waits),
    ]


def _put_first(simulators: Sequence[int]) -> None:
    """It runs whenever it has something to do: its clock is the measure, and Amazon does not share
    our cores. What it reads late because others had the processor is not a call too many. Needs
    root; without, calls that left in time may be counted in a bunch."""
    with contextlib.suppress(PermissionError):
        for pid in simulators:
            os.sched_setscheduler(pid, _FIRST, _BEFORE_ALL_OTHERS)


@dataclass(slots=True)
class _Bench:
    """Both sides on one stack, in turn."""

    context: Context
    town: Town
    length: Length
    ours: Iterator[list[Place]]
    rivals: list[Place]
    of_ours: list[Spell] = field(default_factory=list)
    of_celery: list[Spell] = field(default_factory=list)
    workflow: str = field(init=False)

    def __post_init__(self) -> None:
        self.workflow = self.town.workflow()
        for place in self.rivals:
            self.town.save_workflow(place, "bench")

    def measure_ours(self) -> float:
        """Calls a second and instance."""
        self.of_ours.append(self.spell_of_ours(next(self.ours)))
        return self.of_ours[-1].rate

    def spell_of_ours(self, places: Sequence[Place]) -> Spell:
        """As much work as the limit lets through, on these instances alone."""
        began = self.town.now()
        self._keep_busy(places, until=began + self.length.seconds)
        spell = self._spell(places, began)
        self._wait_until_sent()
        return spell

    def _keep_busy(self, places: Sequence[Place], *, until: float) -> None:
        """Some seconds of work are in line everywhere, and not much is left over at the end."""
        while (left := until - self.town.now()) > 0:
            in_line = {row["id"]: row["n"] for row in self.town.rows(_IN_LINE)}
            most = math.ceil(min(2 * _ENOUGH, (left + _SPARE_SECONDS) * _LIMIT))
            present = {place.id: in_line.get(place.id, 0) for place in places}
            short = {place: n for place, n in present.items() if n < most // 2}
            if short:
                self.town.ask(
                    self.workflow,
                    [p for turn in range(most) for p, n in short.items() if n <= turn],
                )
            time.sleep(_LOOK_SECONDS)

    def measure_celery(self) -> float:
        """The same for the rival."""
        task = self.context.new_folder("celery") / "task.json"
        work = {place.id: (0, self.town.headers(place)) for place in self.rivals}
        write_task(task, self.town.stack.simulator_url, work, every=0, limit=_LIMIT)
        env = environment(AMQP_URL=self.town.stack.found.amqp_url, RIVAL_TASK=str(task))
        python = str(self.context.rival_python())
        subprocess.run(
            (python, "-m", "benchmarks.rivals.celery_budget", str(self.length.calls * 3)),
            env=env,
            check=True,
            capture_output=True,
            timeout=300,
        )
        app = ("-A", "benchmarks.rivals.celery_budget")
        with contextlib.ExitStack() as workers:
            for number in range(_REPLICAS):
                worker = self._worker((python, "-m", "celery", *app), number, env)
                for process in workers.enter_context(worker):
                    # Two seconds each to end well, for work that is thrown away.
                    workers.callback(process.kill)
            self.of_celery.append(self._spell(self.rivals, self._first_call()))
        purge = (python, "-m", "celery", *app, "purge", "-f", "-Q", "rival.budget")
        subprocess.run(purge, env=env, check=True, capture_output=True, timeout=60)
        return self.of_celery[-1].rate

    def _worker(
        self, celery: Sequence[str], number: int, env: Mapping[str, str]
    ) -> AbstractContextManager[list[OwnedProcess]]:
        argv = (*celery, "worker", "-l", "warning", "-n", f"{number}@%h", "-c", str(_DEEP))
        alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        log = self.context.logs / f"celery-budget-{number}.log"
        return running((*argv, *alone), log=log, env=env)

    def _first_call(self) -> float:
        since, mine = self.town.now(), {place.id for place in self.rivals}
        deadline = time.monotonic() + 60
        while not any(e["instance_id"] in mine for e in self.town.arrivals(since)):
            if time.monotonic() > deadline:
                raise TimeoutError("Celery has called nobody in a minute.")
            time.sleep(0.5)
        return since

    def _spell(self, places: Sequence[Place], began: float) -> Spell:
        first = began + self.length.settle
        last = first + self.length.window
        time.sleep(max(0.0, last - self.town.now()) + 0.5)
        arrivals = [e for e in self.town.arrivals(first) if e["arrived_at"] < last]
        return spell_of(arrivals, [place.id for place in places], self.length.window)

    def _wait_until_sent(self) -> None:
        """The rival shall not share the machine with our rest."""
        query = "select count(*) from workflow_executions where state in ('queued', 'submitting')"
        if not wait_until(lambda: not self.town.rows(query)[0]["count"], seconds=120):
            raise TimeoutError("Executions were still to be sent after two minutes.")


def spell_of(arrivals: Sequence[Arrival], instances: Sequence[str], seconds: float) -> Spell:
    """Counts the calls of these instances, in order of arrival within `seconds`."""
    times: dict[str, list[float]] = {instance: [] for instance in instances}
    let_in: dict[str, int] = defaultdict(int)
    throttled = 0
    for entry in arrivals:
        instance = entry["instance_id"] or ""
        if instance in times:
            times[instance].append(entry["arrived_at"])
            throttled += entry["status"] == _THROTTLED
            let_in[instance] += entry["status"] != _THROTTLED
    rates = [let_in[instance] / seconds for instance in instances]
    peak = max(_peak(sorted(each)) for each in times.values())
    return Spell(statistics.median(rates), min(rates), throttled, peak)


def _peak(moments: Sequence[float]) -> int:
    """Most of them within a half-open second."""
    most = first = 0
    for number, moment in enumerate(moments):
        while moments[first] <= moment - 1.0:
            first += 1
        most = max(most, number - first + 1)
    return most


def _places(name: str, length: Length) -> list[Place]:
    return [Place(f"amcbudget{name}n{n}", _AT_ONCE) for n in range(length.instances)]


def _waits(town: Town) -> list[float]:
    """Seconds from booking to answer of every call of a look, ascending."""
    rows = town.rows(
        "select duration_ms from amc_calls where caller = 'poller' and duration_ms is not null"
        " order by duration_ms"
    )
    return [row["duration_ms"] / 1000 for row in rows]


def _against_the_limit(name: str, spells: Sequence[Spell], *, longest_wait: float = 0.0) -> Row:
    ratios = [spell.rate / _LIMIT for spell in spells]
    ratio = statistics.median(ratios)
    throttled = sum(spell.throttled for spell in spells)
    peak = max(spell.peak for spell in spells)
    slowest = min(spell.slowest for spell in spells)
    kept = throttled == 0 and peak <= _LIMIT and longest_wait <= _LONGEST_WAIT_SECONDS
    return Row(
        name=name,
        ours=statistics.median(spell.rate for spell in spells),
        rival=_LIMIT,
        ratio=ratio,
        target=f"{_TARGET}, no 429, <= {_LIMIT} in any second, looks wait <= 1 s",
        met=bool(_TARGET.met_by(ratio)) and kept,
        unit="1/s",
        pairs=len(spells),
        spread=(min(ratios), max(ratios)),
        note=f"{throttled} x 429, peak {peak}, slowest instance {slowest:.2f}/s",
        details={"ours": [asdict(spell) for spell in spells]},
    )


def _longest_wait(waits: Sequence[float]) -> Row:
    target = Target(at_most=_LONGEST_WAIT_SECONDS)
    return Row(
        name="budget: longest wait of a look",
        ours=waits[-1],
        rival=_LONGEST_WAIT_SECONDS,
        ratio=waits[-1] / _LONGEST_WAIT_SECONDS,
        target=str(target),
        met=target.met_by(waits[-1]),
        unit="s",
        note=f"{len(waits)} calls, from booking to answer",
    )
