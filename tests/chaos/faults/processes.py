"""Faults of our own processes: killed, frozen, told to stop, with a wrong clock."""

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from deploy.local.owned import wait_until
from shared.observability.stop_points import StopPoint
from tests.chaos.books import Span
from tests.chaos.faults.fault import Fault, Recovery, Scene
from tests.chaos.town import ALL_REPLICAS, LEASE_SECONDS, REPLICAS, SERVICES, WORKERS, Replica, Town
from tests.stop_points import Action, Strike

PAST_THE_LEASE = LEASE_SECONDS + 2.5


class Kill(Fault):
    """Processes of any service end by kill -9, at random moments."""

    sentence = "kill -9 of any service at a random moment"
    recovers: ClassVar[Recovery | None] = "worker kill"

    def begin(self, scene: Scene) -> None:
        for replica in self.rng.sample(ALL_REPLICAS, self.rng.randint(1, 4)):
            scene.town.send(replica, signal.SIGKILL)
            self.strikes += 1
            threading.Event().wait(self.rng.uniform(0, 0.8))


class KillBoth(Fault):
    """Both replicas of a worker end by kill -9 at one moment."""

    sentence = "kill -9 of all replicas of one service at once"
    recovers: ClassVar[Recovery | None] = "worker kill"

    def begin(self, scene: Scene) -> None:
        service = self.rng.choice(SERVICES)
        begun = time.time()
        for number in range(REPLICAS):
            scene.town.send(Replica(service, number), signal.SIGKILL)
            self.strikes += 1
        scene.circumstances.excused_idleness.append(Span(begun, begun + 5, f"no {service}"))


class Terminate(Fault):
    """Processes are told to stop under load, and must hand over what they have."""

    sentence = "SIGTERM under load"

    def begin(self, scene: Scene) -> None:
        for replica in self.rng.sample(ALL_REPLICAS, self.rng.randint(2, 5)):
            scene.town.send(replica, signal.SIGTERM)
            self.strikes += 1


class RollingRestart(Fault):
    """Every process is told to stop, one after the other, each once its forerunner works."""

    sentence = "rolling restart of everything"

    def begin(self, scene: Scene) -> None:
        for replica in ALL_REPLICAS:
            before = scene.town.pid(replica)
            scene.town.send(replica, signal.SIGTERM)
            back = wait_until(partial(_is_new, scene.town, replica, before), seconds=60)
            assert back, f"{replica} did not come back from SIGTERM"
            self.strikes += 1


def _is_new(town: Town, replica: Replica, before: int) -> bool:
    return town.pid(replica) != before and town.is_ready(replica)


class Freeze(Fault):
    """A worker stands still for longer than its lease, then goes on: a zombie must not write."""

    sentence = "SIGSTOP past the lease, then SIGCONT"

    def begin(self, scene: Scene) -> None:
        self._frozen = self.rng.sample(
            [each for each in ALL_REPLICAS if each.service in WORKERS and each.number == 0],
            self.rng.randint(1, 2),
        )
        self._since = time.time()
        for replica in self._frozen:
            scene.town.note_frozen(scene.town.pid(replica))
            scene.town.send(replica, signal.SIGSTOP)
            self.strikes += 1
        threading.Event().wait(PAST_THE_LEASE)

    def end(self, scene: Scene) -> None:
        scene.town.thaw()
        note_zombies(scene, self._since, len(self._frozen))


def note_zombies(scene: Scene, since: float, count: int) -> None:
    """A process frozen between its last check and its first byte sends late: one call each."""
    now = time.time()
    scene.circumstances.blurred_arrivals.append(Span(now - 1, now + 1, "woke from SIGSTOP"))
    scene.circumstances.excused_idleness.append(Span(since, now + 1, "a gate may stand still"))
    scene.circumstances.strays_made += count


@dataclass(eq=False)
class AtStopPoints(Fault):
    """Whoever comes first to each of some places is struck there, once."""

    action: ClassVar[Action] = "kill"
    among: ClassVar[tuple[str, ...]] = ()
    most: ClassVar[int] = 6
    points: list[StopPoint] = field(default_factory=list, init=False)
    struck: list[Strike] = field(default_factory=list, init=False)
    _seen: set[Strike] = field(default_factory=set, init=False)

    def begin(self, scene: Scene) -> None:
        self._seen = set(scene.town.stop_points.struck())
        known = [each for each in StopPoint if each.value.startswith(self.among)]
        self.points = self.rng.sample(known, min(len(known), self.most))
        for point in self.points:
            scene.town.stop_points.arm(point, self.action)
        self._until_struck(scene)

    def end(self, scene: Scene) -> None:
        for point in self.points:
            scene.town.stop_points.disarm(point)
        self._look(scene)
        self.strikes = len(self.struck)
        self.detail = " ".join(sorted(strike.point.value for strike in self.struck))
        self.at_points = tuple((self.action, strike.point) for strike in self.struck)

    def _until_struck(self, scene: Scene) -> None:
        wait_until(lambda: len(self._look(scene)) == len(self.points), seconds=self.lasts + 4)

    def _look(self, scene: Scene) -> list[Strike]:
        points = set(self.points)
        self.struck = [
            each
            for each in scene.town.stop_points.struck()
            if each not in self._seen and each.point in points
        ]
        return self.struck


class KillSubmitting(AtStopPoints):
    """kill -9 between the steps from acceptance to AMC's answer."""

    sentence = "kill -9 between the steps of accepting and submitting"
    among = ("accept", "admit", "submit", "intake", "consumer")
    recovers: ClassVar[Recovery | None] = "worker kill"


class KillFollowing(AtStopPoints):
    """kill -9 between the steps of looking, loading and cancelling."""

    sentence = "kill -9 between the steps of polling, loading and cancelling"
    among = ("poll", "download", "cancel", "reconcile", "stray")
    recovers: ClassVar[Recovery | None] = "worker kill"


class KillMoving(AtStopPoints):
    """kill -9 between the steps of whatever moves work along."""

    sentence = "kill -9 between the steps of relay, timers, refresh, rescue and telling"
    among = ("relay", "timer", "refresh", "rescue", "tell", "dead_letter")
    recovers: ClassVar[Recovery | None] = "worker kill"


class FreezeAtStopPoints(AtStopPoints):
    """SIGSTOP exactly between two steps, for longer than the lease: a zombie must not write."""

    sentence = "SIGSTOP between the steps, past the lease, then SIGCONT"
    action: ClassVar[Action] = "stop"
    among = ("submit", "poll", "download", "cancel", "reconcile", "refresh", "relay")
    most = 2

    def begin(self, scene: Scene) -> None:
        self._since = time.time()
        super().begin(scene)
        for strike in self.struck:
            scene.town.note_frozen(strike.pid)
        threading.Event().wait(PAST_THE_LEASE if self.struck else 0)

    def end(self, scene: Scene) -> None:
        super().end(scene)
        for strike in self.struck:
            scene.town.note_frozen(strike.pid)
        scene.town.thaw()
        note_zombies(scene, self._since, len(self.struck))


class WrongClock(Fault):
    """One worker's own clock is an hour off, before or behind; nothing may depend on it."""

    sentence = "the clock of one worker an hour wrong"

    def begin(self, scene: Scene) -> None:
        self._replica = Replica(self.rng.choice(WORKERS), 1)
        offset = self.rng.choice((3600, -3600))
        scene.town.overrides[self._replica] = {"AMCFLOW_CLOCK_WRONG_BY_SECONDS": str(offset)}
        self._restart(scene)
        environment = f"/proc/{scene.town.pid(self._replica)}/environ"
        with open(environment, "rb") as told:  # noqa: PTH123 - a file of the kernel
            self.strikes += b"AMCFLOW_CLOCK_WRONG_BY_SECONDS" in told.read()
        threading.Event().wait(5)

    def end(self, scene: Scene) -> None:
        scene.town.overrides.pop(self._replica, None)
        self._restart(scene)

    def _restart(self, scene: Scene) -> None:
        before = scene.town.pid(self._replica)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: scene.town.pid(self._replica) != before, seconds=10)
