"""From a request's acceptance to its create call at AMC, one at a time, nothing else to do.

The whole stack runs; AMC's stand-in tells when each call reached it. Counted from the moment the
request is sent, so acceptance is in it. The workflow is known at AMC, executions are long, and the
instances take turns, so that nobody waits for a turn in the rate budget. Beside it the time from
publish to consume of a bare pair over the same broker.
"""

import time
from dataclasses import dataclass, field, replace
from typing import Final

from benchmarks.dispatch_broker import publish_to_consume
from benchmarks.frame import Context, Row, Target, measure_pairs
from benchmarks.town import Arrival, Place, Town, open_town

_P50_MS: Final = 50.0
_P99_MS: Final = 250.0
_SHOWN: Final = Target()
_PAUSE: Final = 0.05
_LONGEST: Final = 60.0
_CREATE: Final = "/workflowExecutions"


class NotDispatched(Exception):
    """AMC did not get all the calls."""


@dataclass(frozen=True, slots=True)
class Watch:
    """One execution after the other, and when AMC heard of it."""

    town: Town
    places: list[Place]
    workflow: str
    all_seconds: list[float] = field(default_factory=list)

    def dispatch(self, count: int) -> list[float]:
        """Seconds from sending the request to the arrival of the create call."""
        began = self.town.now()
        sent: list[float] = []
        for number in range(count):
            place = self.places[number % len(self.places)]
            sent.append(time.time())
            self.town.ask(self.workflow, [place.id])
            time.sleep(_PAUSE)
        arrivals = self._creates(began, count)
        by_place: dict[str | None, list[float]] = {}
        for arrival in arrivals:
            by_place.setdefault(arrival["instance_id"], []).append(arrival["arrived_at"])
        seconds = [
            by_place[self.places[number % len(self.places)].id].pop(0) - at
            for number, at in enumerate(sent)
        ]
        self.all_seconds.extend(seconds)
        return seconds

    def _creates(self, since: float, count: int) -> list[Arrival]:
        deadline, found = time.monotonic() + _LONGEST, list[Arrival]()
        while time.monotonic() < deadline:
            found = [
                arrival
                for arrival in self.town.arrivals(since)
                if arrival["method"] == "POST" and arrival["path"].endswith(_CREATE)
            ]
            if len(found) >= count:
                return sorted(found, key=lambda arrival: arrival["arrived_at"])
            time.sleep(0.2)
        raise NotDispatched(f"{len(found)} of {count} create calls in {_LONGEST:.0f} s")


def run(context: Context) -> list[Row]:
    """The rows `dispatch p50` and `dispatch p99`, in milliseconds."""
    count = context.pick(full=240, quick=40, tiny=10)
    places = [
        Place(f"amcd{n}", at_once=100) for n in range(context.pick(full=20, quick=20, tiny=2))
    ]
    simulator = {"DURATION_PROFILE": "fixed:86000"}
    rival_seconds: list[float] = []
    p99s: dict[str, list[float]] = {"ours": [], "rival": []}
    with open_town(context, "dispatch", places, simulator=simulator) as town:
        watch = Watch(town, places, town.workflow())
        watch.dispatch(len(places))  # every instance knows the workflow now
        watch.all_seconds.clear()

        def ours() -> float:
            seconds = watch.dispatch(count)
            p99s["ours"].append(_share(seconds, 0.99))
            context.say(f"p50 {_share(seconds, 0.5):.1f} ms, p99 {p99s['ours'][-1]:.1f} ms")
            return _share(seconds, 0.5)

        def rival() -> float:
            seconds = publish_to_consume(town.stack.found.amqp_url, count, pause=_PAUSE)
            rival_seconds.extend(seconds)
            p99s["rival"].append(_share(seconds, 0.99))
            return _share(seconds, 0.5)

        pairs = measure_pairs(ours, rival, pairs=context.pairs)
    p50, p99 = (_share(watch.all_seconds, share) for share in (0.5, 0.99))
    rival_p99 = _share(rival_seconds, 0.99)
    first = pairs.row(
        "dispatch p50",
        _SHOWN,
        unit="ms",
        note=f"{len(watch.all_seconds)} requests",
        details={"milliseconds": [round(1000 * each, 2) for each in watch.all_seconds]},
    )
    ratios = [a / b for a, b in zip(p99s["ours"], p99s["rival"], strict=True)]
    second = replace(
        first,
        name="dispatch p99",
        rival=rival_p99,
        ratio=p99 / rival_p99,
        spread=(min(ratios), max(ratios)),
        details={},
    )
    return [
        replace(first, ours=p50, target=f"<= {_P50_MS:.0f} ms", met=p50 <= _P50_MS),
        replace(second, ours=p99, target=f"<= {_P99_MS:.0f} ms", met=p99 <= _P99_MS),
    ]


def _share(seconds: list[float], share: float) -> float:
    """In milliseconds."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]
