"""How long to wait before the next try or the next look: pure rules."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

Uniform = Callable[[float, float], float]


def backoff(
    tries: int,
    *,
    first: timedelta = timedelta(seconds=1),
    longest: timedelta = timedelta(seconds=60),
    uniform: Uniform = random.uniform,  # noqa: S311 (jitter, not a secret)
) -> timedelta:
    """Exponential with half jitter: between half of and the whole of `first * 2**tries`."""
    whole = min(first.total_seconds() * 2.0 ** min(tries, 30), longest.total_seconds())
    return timedelta(seconds=uniform(whole / 2, whole))


@dataclass(frozen=True, slots=True)
class LookPace:
    """How often an instance is looked at."""

    shortest: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(seconds=60)
    longest_while_young: timedelta = timedelta(seconds=15)
    per_look: int = 14
    """Executions in flight for each further second between looks: many of them finish in one."""

    def next_look(self, ages: Sequence[float], expected: float | None) -> timedelta:
        """When something is likely ready: by what this instance's runs have taken lately, if that
        is known, else by how long they have taken so far. `ages` in seconds, not empty."""
        wait = min(self._for_one(age, expected) for age in ages)
        crowd = len(ages) / self.per_look
        seconds = min(max(wait, crowd, self.shortest.total_seconds()), self.longest.total_seconds())
        return timedelta(seconds=seconds)

    def _for_one(self, age: float, expected: float | None) -> float:
        if expected is not None and age < expected:
            left = (expected - age) / 2
            return min(left, self.longest_while_young.total_seconds())
        return age / 20


def timeout_with_marker(
    deadline_seconds: int,
    *,
    is_marked: bool,
    randrange: Callable[[int], int] = random.randrange,  # noqa: S311 (a mark, not a secret)
) -> int:
    """AMC's own timeout for an attempt, 900 to 86,400 s, never below our deadline.

    Marked, it carries a number of its own for each attempt; AMC echoes it, so an execution found
    there later names the attempt that made it. Deadlines above 82,800 s leave less room for it.
    """
    smallest, largest, numbers = 900, 86_400, 3_600
    base = min(max(deadline_seconds, smallest), largest)
    if not is_marked:
        return base
    return base + randrange(min(numbers, largest - base + 1))
