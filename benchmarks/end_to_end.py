"""How long a large collection takes, against the shortest time that limits and durations allow.

AMC draws the duration of the n-th execution of an instance from a seed, whoever it is, so the
shortest time is exact: each starts in the moment in which a place is free. AMC's validation takes
no time here; everything else between the request and the last stored result is ours.
"""

import heapq
import math
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from benchmarks.frame import Context, Row, Target
from benchmarks.town import Place, Town, open_town
from services.simulator.distribution import Distribution, seeded

_SEED: Final = 5
_AT_ONCE: Final = 5
_PROFILE: Final = "uniform:10:60"
_TARGET: Final = Target(at_most=1.10)
_LONGEST_SECONDS: Final = 900.0


def run(context: Context) -> list[Row]:
    """The row `end to end`."""
    instances, each = context.pick(full=(58, 20), quick=(12, 8), tiny=(2, 2))
    profile = context.pick(full=_PROFILE, quick="uniform:5:30", tiny="uniform:1:2")
    places = [Place(f"amcend{number}", _AT_ONCE) for number in range(instances)]
    durations = {place.id: _durations(profile, place, each) for place in places}
    bound = max(shortest(times, _AT_ONCE) for times in durations.values())
    settings = {
        "SEED": str(_SEED),
        "DURATION_PROFILE": profile,
        "VALIDATION_SECONDS": "0",
        "ROWS_PROFILE": "uniform:20:400",
    }
    with open_town(context, "end-to-end", places, simulator=settings) as town:
        workflow = town.workflow()
        asked = town.now()
        town.ask(workflow, [place.id for _ in range(each) for place in places])
        finished = _wait(town, instances * each)
        details = _details(town, durations, asked)
    makespan = finished - asked
    by_sum = max(math.fsum(times) / _AT_ONCE for times in durations.values())
    return [
        Row(
            name="end to end",
            ours=makespan,
            rival=bound,
            ratio=makespan / bound,
            target=str(_TARGET),
            met=_TARGET.met_by(makespan / bound),
            unit="s",
            note=f"{instances} instances x {each}; the bound is computed, so one run",
            details={**details, "sum_over_places": by_sum},
        )
    ]


def shortest(durations: Sequence[float], at_once: int) -> float:
    """Seconds until the last has ended, if each starts as soon as a place is free.

    The order is AMC's, so waiting with one gains nothing for any other.
    """
    ends = [0.0] * at_once
    for duration in durations:
        heapq.heappush(ends, heapq.heappop(ends) + duration)
    return max(ends)


def _durations(profile: str, place: Place, count: int) -> list[float]:
    """What the simulator will draw."""
    numbers = Distribution.parse(profile)
    return [numbers.draw(seeded(_SEED, "duration", place.id, number)) for number in range(count)]


def _wait(town: Town, executions: int) -> float:
    """The moment of the last end; TimeoutError if that takes far too long."""
    query = (
        "select count(*) filter (where state = 'completed') as done,"
        " extract(epoch from max(finished_at))::float8 as last from workflow_executions"
    )
    deadline = time.monotonic() + _LONGEST_SECONDS
    while (row := town.rows(query)[0])["done"] < executions:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{row['done']} of {executions} in {_LONGEST_SECONDS:.0f} s")
        time.sleep(2)
    return float(row["last"])


def _details(town: Town, durations: dict[str, list[float]], asked: float) -> dict[str, object]:
    """Where the time went: medians over all executions, in seconds."""
    times = town.rows(
        "select e.id, amc_execution_id, amc_instance_id,"
        " extract(epoch from amc_created_at)::float8 as created,"
        " extract(epoch from remote_finished_at)::float8 as noticed,"
        " extract(epoch from finished_at)::float8 as stored"
        " from workflow_executions e join amc_instances i on i.id = e.instance_id"
    )
    ended = {
        each["id"]: datetime.fromisoformat(each["finishTime"]).timestamp()
        for each in town.runs()
        if each["finishTime"] is not None
    }
    noticed = sorted(row["noticed"] - ended[row["amc_execution_id"]] for row in times)
    stored = sorted(row["stored"] - row["noticed"] for row in times)
    last = {
        name: max(r["stored"] for r in times if r["amc_instance_id"] == name) for name in durations
    }
    over = sorted((last[name] - asked) / shortest(durations[name], _AT_ONCE) for name in durations)
    return {
        "noticed_after_p50": _at(noticed, 0.5),
        "noticed_after_p95": _at(noticed, 0.95),
        "stored_after_p50": _at(stored, 0.5),
        "stored_after_p95": _at(stored, 0.95),
        "ratio_of_the_median_instance": _at(over, 0.5),
        "ratio_of_the_worst_instance": over[-1],
    }


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
