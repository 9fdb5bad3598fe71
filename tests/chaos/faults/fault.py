"""What a fault is: it begins, it ends, and it proves that it struck."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, Literal

from tests.chaos.books import Circumstances, Span
from tests.chaos.town import Place, Town

Recovery = Literal["worker kill", "broker restart", "database restart", "kill at a stop point"]


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a fault strikes: the town, the round's instances, and what the judge is to know."""

    town: Town
    places: Sequence[Place]
    circumstances: Circumstances


@dataclass(eq=False)
class Fault(ABC):
    """One fault of one round. Its sentence stands in `sentence`."""

    rng: Random
    lasts: float
    strikes: int = field(default=0, init=False)
    """How often it struck: nought proves nothing, and is shown as such."""

    detail: str = field(default="", init=False)
    """Who or what was struck, for the line of the round."""
    recoveries: list[float] = field(default_factory=list, init=False)
    """Seconds until all were ready, under the heading of `recovers`."""
    moved_on: list[float] = field(default_factory=list, init=False)
    """Seconds until struck work moved on, where the fault knows whose it was."""
    back_at: float | None = field(default=None, init=False)
    """When what was broken was there again; for a kill, when it struck. Seconds since 1970."""
    at_points: tuple[tuple[str, str], ...] = field(default=(), init=False)
    """What was done to processes at stop points: an action and the point, for each."""

    sentence: ClassVar[str] = ""
    aftermath_seconds: ClassVar[float] = 0
    """For so long after its end it may still have an effect: there is no rest before."""
    recovers: ClassVar[Recovery | None] = None
    """Under which heading the time until everybody works again is counted."""
    measures_itself: ClassVar[bool] = False
    """Otherwise the clock starts when it has ended, or for a kill when it begins."""

    @abstractmethod
    def begin(self, scene: Scene) -> None: ...

    def end(self, scene: Scene) -> None:  # noqa: B027 - many heal by themselves
        """Heals it; called once, `lasts` seconds later."""

    def count(self, scene: Scene) -> None:  # noqa: B027 - most know already
        """Looks, at the end of the round, how often it struck, if it does not know yet."""


def excuse(scene: Scene, begin: float, why: str) -> None:
    """From `begin` to now nobody could admit."""
    scene.circumstances.excused_idleness.append(Span(begin, time.time(), why))
