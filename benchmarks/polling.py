"""What it takes to learn that AMC has finished, against one status call for each every 15 s.

Ours and the rival keep as many executions in flight on as many instances of the same AMC, at the
same time, and are counted in the same windows: side by side they see the same machine. Calls are
those that ask for a status, nothing else; the delay is from AMC's end of a run to the moment at
which our row, or the rival, knows. With `scale` all of it is faster alike: AMC and its limit of
calls, our settings, the rival's interval.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from benchmarks.frame import Context, Pairs, Row, Target
from benchmarks.polling_rival import read_known, write_task
from benchmarks.processes import environment, running
from benchmarks.town import Arrival, Place, Town, open_town

_INSTANCES: Final = 5
_IN_FLIGHT: Final = (10, 100)
_CALLS: Final = {10: Target(at_most=1 / 4), 100: Target(at_most=1 / 8)}
_DELAY: Final = Target(at_most=1 / 2)
_EVERY_SECONDS: Final = 15.0
_LIMIT: Final = 10
_SHORTEST, _LONGEST = 2.0, 60.0
_RUNS: Final = (60, 180)


@dataclass(frozen=True, slots=True)
class Length:
    """Seconds of AMC's time, all divided by `scale`."""

    scale: float
    settle: float
    """Until the first runs, which all began at once, are forgotten."""
    window: float
    windows: int


@dataclass(frozen=True, slots=True)
class Window:
    """What one side did on one kind of instances from one moment to another."""

    calls: int
    delays: Sequence[float]
    """Of the runs that AMC ended in it, ascending."""

    @property
    def calls_for_each(self) -> float:
        return self.calls / len(self.delays)

    def delay(self, share: float) -> float:
        return self.delays[min(int(share * len(self.delays)), len(self.delays) - 1)]


def run(context: Context) -> list[Row]:
    """Calls and delay, at 10 and at 100 in flight."""
    length = context.pick(
        full=Length(1, settle=200, window=60, windows=3),
        quick=Length(7, settle=150, window=60, windows=3),
        tiny=Length(60, settle=360, window=360, windows=1),
    )
    in_flight = context.pick(full=_IN_FLIGHT, quick=_IN_FLIGHT, tiny=(10,))
    ours, rivals = (_places(name, in_flight, length) for name in ("ours", "rival"))
    with open_town(
        context,
        "polling",
        [*ours, *rivals],
        simulator=_simulator(length),
        services=_services(length),
    ) as town:
        _work_for_ours(town, ours, length)
        with _rival_at_work(context, town, rivals, length) as log:
            began = town.now()
            ends = began + (length.settle + length.window * length.windows) / length.scale
            # What ends in the last window is noticed after it.
            _wait_until(town, ends + 20 / length.scale)
            known = read_known(log)
        arrivals, ended = town.arrivals(began), _ended(town)
        noticed = _noticed(town)
    rows = []
    for number in in_flight:
        mine, theirs = (
            windows(
                [place.id for place in places if place.at_once == number],
                arrivals,
                ended,
                who,
                began=began,
                length=length,
            )
            for places, who in ((ours, noticed), (rivals, known))
        )
        rows += _rows(number, mine, theirs, length)
    return rows


def _places(name: str, in_flight: Sequence[int], length: Length) -> list[Place]:
    limit = int(_LIMIT * length.scale)
    return [
        Place(f"amcpoll{name}{at_once}n{number}", at_once, limit)
        for at_once in in_flight
        for number in range(_INSTANCES)
    ]


def _simulator(length: Length) -> dict[str, str]:
    return {
        "TIME_SCALE": str(length.scale),
        "DURATION_PROFILE": f"uniform:{_RUNS[0]}:{_RUNS[1]}",
        "ROWS_PROFILE": "fixed:20",
    }


def _services(length: Length) -> dict[str, str]:
    """The defaults, as much faster as AMC is."""
    return {
        "AMCFLOW_POLL_SHORTEST_SECONDS": str(_SHORTEST / length.scale),
        "AMCFLOW_POLL_LONGEST_SECONDS": str(_LONGEST / length.scale),
        "AMCFLOW_FIRST_LOOK_SECONDS": str(_SHORTEST / length.scale),
    }


def _work_for_ours(town: Town, places: Sequence[Place], length: Length) -> None:
    """More than can end until the windows have passed."""
    lasts = length.settle + length.window * length.windows
    generations = 2 + int(lasts / _RUNS[0] * 0.75)
    town.ask(town.workflow(), [p.id for p in places for _ in range(p.at_once * generations)])


@contextlib.contextmanager
def _rival_at_work(
    context: Context, town: Town, places: Sequence[Place], length: Length
) -> Iterator[Path]:
    log = context.new_folder("polling-rival") / "known.txt"
    work = {}
    for place in places:
        town.save_workflow(place, "bench")
        work[place.id] = (place.at_once, town.headers(place))
    task = log.with_suffix(".json")
    write_task(
        task,
        town.stack.simulator_url,
        work,
        every=_EVERY_SECONDS / length.scale,
        limit=_LIMIT * length.scale,
    )
    argv = (sys.executable, "-m", "benchmarks.polling_rival", str(task), str(log))
    with running(argv, log=context.logs / "polling-rival.log", env=environment()) as (process,):
        yield log
        if process.poll() is not None:
            raise RuntimeError(f"The rival has ended: see {context.logs}/polling-rival.log.")


def _wait_until(town: Town, moment: float) -> None:
    while (left := moment - town.now()) > 0:
        time.sleep(min(left, 5.0))


def _ended(town: Town) -> dict[str, tuple[str, float]]:
    """By AMC's id of the execution: its instance, and when it ended."""
    return {
        each["id"]: (each["instanceId"], datetime.fromisoformat(each["finishTime"]).timestamp())
        for each in town.runs()
        if each["finishTime"] is not None
    }


def _noticed(town: Town) -> dict[str, float]:
    rows = town.rows(
        "select amc_execution_id, extract(epoch from remote_finished_at)::float8 as at"
        " from workflow_executions where remote_finished_at is not null"
    )
    return {row["amc_execution_id"]: row["at"] for row in rows}


def windows(
    instances: Sequence[str],
    arrivals: Sequence[Arrival],
    ended: Mapping[str, tuple[str, float]],
    known: Mapping[str, float],
    *,
    began: float,
    length: Length,
) -> list[Window]:
    """One after the other; a run that its side never knew to have ended is late for ever."""
    mine = set(instances)
    asked = [e["arrived_at"] for e in arrivals if e["instance_id"] in mine and _asks_status(e)]
    found = []
    for number in range(length.windows):
        first = began + (length.settle + number * length.window) / length.scale
        last = first + length.window / length.scale
        delays = [
            known.get(run, float("inf")) - at
            for run, (instance, at) in ended.items()
            if instance in mine and first <= at < last
        ]
        found.append(Window(sum(first <= at < last for at in asked), sorted(delays)))
    return found


def _asks_status(entry: Arrival) -> bool:
    """A list of executions, or one of them; not the links of its result."""
    path = entry["path"].partition("?")[0]
    return entry["method"] == "GET" and "/workflowExecutions" in path and "download" not in path


def _rows(
    in_flight: int, ours: Sequence[Window], rival: Sequence[Window], length: Length
) -> list[Row]:
    def pairs(measure: Callable[[Window], float]) -> Pairs:
        return Pairs(tuple(map(measure, ours)), tuple(map(measure, rival)))

    seen = sorted(delay for window in ours for delay in window.delays)
    ends = sum(len(window.delays) for window in ours)
    note = f"{_INSTANCES} instances, {ends} ends of ours, AMC {length.scale:g} x as fast"
    every = {"delays": seen, "scale": length.scale}
    return [
        pairs(lambda window: window.calls_for_each).row(
            f"polling: calls for each, {in_flight} in flight",
            _CALLS[in_flight],
            unit="calls",
            note=note,
        ),
        pairs(lambda window: window.delay(0.95)).row(
            f"polling: delay p95, {in_flight} in flight",
            _DELAY,
            unit="s",
            note=note,
            details=every,
        ),
    ]
