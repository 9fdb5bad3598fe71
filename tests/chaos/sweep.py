"""Every stop point struck in the running stack, by work that is made to come by there.

Seeds strike at random; here a point that nobody reaches is a failure that names it. A pass is a
small round of its own: some points are armed, their work is provoked, and once all were struck the
round comes to rest and is judged like any other.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from deploy.local.owned import wait_until
from shared.observability.stop_points import StopPoint
from tests.chaos.books import Door
from tests.chaos.faults.fault import Fault, Recovery, Scene
from tests.chaos.faults.processes import PAST_THE_LEASE, note_zombies
from tests.chaos.judging import Judged, play
from tests.chaos.plan import Ask, FaultPlan, InstancePlan, Plan
from tests.chaos.town import Town
from tests.stop_points import Action, Strike

PATIENCE_SECONDS = 45.0
"""For all points of a pass: a doubt takes two settle times, and each kill costs a lease."""

Provocation = Callable[[Scene], None]


def _nothing(_scene: Scene) -> None:
    """The work comes by itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """A stop point, and the one service that is to be struck there if it matters."""

    point: StopPoint
    service: str = ""
    provoke: Provocation = _nothing
    """Called when it is armed."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Points that are struck in one round, and the work that comes by."""

    name: str
    places: tuple[Place, ...]
    """Armed at once."""
    asks: tuple[Ask, ...]
    action: Action = "kill"
    lines: tuple[tuple[Place, ...], ...] = ()
    """Armed one after the other, each when whoever was struck before it goes on; one line for
    each service, so that of its two processes one is always awake."""
    provoke: Provocation = _nothing
    """Called when the points are armed, while the work is being asked for."""
    aftermath_seconds: float = 0.0
    strays: int = 0
    """Executions that AMC makes too late in this pass."""
    expected_errors: frozenset[str] = frozenset()
    patience_seconds: float = PATIENCE_SECONDS

    @property
    def all_places(self) -> tuple[Place, ...]:
        return (*self.places, *(place for line in self.lines for place in line))

    @property
    def is_alone(self) -> bool:
        """One kill, one execution."""
        return self.action == "kill" and len(self.all_places) == len(self.asks) == 1

    @property
    def plan(self) -> Plan:
        return Plan(
            seed=0,
            name=self.name,
            accounts=(200,),
            instances=(InstancePlan(0, 8), InstancePlan(0, 8)),
            workflows=WORKFLOWS,
            asks=self.asks,
            faults=(FaultPlan(f"{self.action} at stop points", 0, 0, 0),),
            asks_until_healed=bool(self.lines),
        )


SHORT, PARTS, LONG, FRESH, CANCELLED = range(5)
WORKFLOWS = (
    ("duration 30",),
    ("duration 30", "rows 300", "parts 3"),
    ("duration 900",),
    (),
    # Longer than a pass, so that it has not ended when its cancellation comes at last.
    ("duration 3600",),
)


def asked(
    workflow: int,
    times: int,
    *,
    first: float = 0.5,
    every: float = 0.4,
    door: Door = "rest",
    cancel_after: float | None = None,
) -> tuple[Ask, ...]:
    """So many requests for one execution each, by turns on both instances."""
    return tuple(
        Ask(
            at=first + number * every,
            door=door,
            key=f"{door}-{workflow}-{first:g}-{number}",
            items=((workflow, number % 2, 5),),
            cancel_after=cancel_after,
        )
        for number in range(times)
    )


@dataclass(eq=False)
class Sweep(Fault):
    """Whoever comes first to each of the given places is struck there, once."""

    recovers: ClassVar[Recovery | None] = "kill at a stop point"
    measures_itself: ClassVar[bool] = True
    given: Pass = field(kw_only=True)
    _before: set[Strike] = field(default_factory=set, init=False)
    _woken: set[Strike] = field(default_factory=set, init=False)
    _lines: list[list[Place]] = field(default_factory=list, init=False)
    """What is left of each line; its head is armed."""

    def __post_init__(self) -> None:
        self.aftermath_seconds = self.given.aftermath_seconds
        self.sentence = f"{self.given.action} at {len(self.given.all_places)} stop points"
        self._lines = [list(line) for line in self.given.lines]

    def begin(self, scene: Scene) -> None:
        self._since = time.time()
        self._before = set(scene.town.stop_points.struck())
        scene.circumstances.strays_made += self.given.strays
        scene.circumstances.expected_errors |= self.given.expected_errors
        for place in (*self.given.places, *(line[0] for line in self._lines)):
            self._arm(scene, place)
        self.given.provoke(scene)
        wait_until(lambda: self._is_done(scene), seconds=self.given.patience_seconds)

    def end(self, scene: Scene) -> None:
        for place in self.given.all_places:
            scene.town.stop_points.disarm(place.point, service=place.service)
        struck, missing = self._struck(scene), self._missing(scene)
        self.strikes = len(struck)
        self.at_points = tuple((self.given.action, each.point) for each in struck)
        if asleep := self._asleep(scene):
            scene.town.thaw()
            note_zombies(scene, self._since, len(asleep))
        assert not missing, f"nobody came by {', '.join(missing)}"

    def count(self, scene: Scene) -> None:
        """With one execution only, it is known whose work was struck, and when it moves on."""
        if self.given.is_alone:
            for strike in self._struck(scene):
                self.moved_on += _until_moved_on(scene, scene.town.stop_points.when(strike))

    def _arm(self, scene: Scene, place: Place) -> None:
        scene.town.stop_points.arm(place.point, self.given.action, service=place.service)
        place.provoke(scene)

    def _is_done(self, scene: Scene) -> bool:
        """All were struck, and none of them stands still.

        Whoever is frozen wakes once its lease is over: RabbitMQ goes on to deliver to it, and what
        is to come by elsewhere may wait for that.
        """
        if self.given.action == "stop":
            for strike in self._asleep(scene):
                self._wake_in_time(scene, strike)
        for line in self._lines:
            self._move_on(scene, line)
        return not self._missing(scene) and not self._asleep(scene)

    def _move_on(self, scene: Scene, line: list[Place]) -> None:
        """The next of the line, once whoever was struck at its head is awake, or was killed."""
        asleep = {each.point for each in self._asleep(scene)}
        struck = {each.point for each in self._struck(scene)}
        if line and line[0].point in struck - asleep:
            del line[0]
            if line:
                self._arm(scene, line[0])

    def _asleep(self, scene: Scene) -> list[Strike]:
        is_freezing = self.given.action == "stop"
        return [each for each in self._struck(scene) if is_freezing and each not in self._woken]

    def _wake_in_time(self, scene: Scene, strike: Strike) -> None:
        scene.town.note_frozen(strike.pid)
        if time.time() - scene.town.stop_points.when(strike) > PAST_THE_LEASE:
            self._woken.add(strike)
            scene.town.thaw(strike.pid)
            note_zombies(scene, self._since, 1)

    def _struck(self, scene: Scene) -> list[Strike]:
        points = {place.point for place in self.given.all_places}
        new = [each for each in scene.town.stop_points.struck() if each not in self._before]
        return [each for each in new if each.point in points]

    def _missing(self, scene: Scene) -> list[str]:
        struck = {each.point for each in self._struck(scene)}
        return [place.point for place in self.given.all_places if place.point not in struck]


def _until_moved_on(scene: Scene, struck_at: float) -> list[float]:
    rows = scene.town.sql(
        "select extract(epoch from min(v.at))::float8 - $2 as seconds from execution_events v"
        " join workflow_executions e on e.id = v.execution_id"
        " join amc_instances i on i.id = e.instance_id"
        " where i.amc_instance_id = any($1) and v.at > to_timestamp($2::float8)",
        [place.id for place in scene.places],
        struck_at,
    )
    return [row["seconds"] for row in rows if row["seconds"] is not None]


def sweep(town: Town, given: Pass) -> Judged:
    """One pass, judged."""
    return play(town, given.plan, make=lambda _: Sweep(Random(given.name), 0, given=given))


def uncovered(passes: Sequence[Pass]) -> set[StopPoint]:
    """Points of the code that no pass kills at."""
    kills = [each for each in passes if each.action == "kill"]
    killed = {place.point for each in kills for place in each.all_places}
    return set(StopPoint) - killed
