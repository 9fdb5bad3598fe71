"""How long to wait before the next try or the next look: pure rules."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

YOUNG: Final = 7.5
"""A young execution waits for its next look this many times as long as for the shortest."""

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
    """How often an instance is looked at.

    A look costs about one call and finds whatever has ended, so looks come at an even distance: a
    small part of what runs take there. Every slot then stands empty for about 3 % of a run.
    """

    shortest: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(seconds=60)
    looks_per_run: float = 19.0
    """Of what this instance's runs have taken lately."""
    while_young: float = YOUNG
    """Shortest intervals between two looks, at the most, while something young runs."""
    per_look: float = 35.0
    """Executions in flight for each shortest interval: many of them finish in one."""

    def next_look(self, ages: Sequence[float], expected: float | None) -> timedelta:
        """When something is likely ready: by what this instance's runs have taken lately, if that
        is known, else by how long they have taken so far. `ages` in seconds, not empty."""
        shortest = self.shortest.total_seconds()
        wait = min(ages) / 20
        if expected is not None and min(ages) < expected:
            wait = min(self._even(max(ages), expected), self.while_young * shortest)
        crowd = len(ages) / self.per_look * shortest
        seconds = min(max(wait, crowd, shortest), self.longest.total_seconds())
        return timedelta(seconds=seconds)

    def _even(self, oldest: float, expected: float) -> float:
        """Longer only while nothing has run for half of what is usual."""
        return max(expected / self.looks_per_run, expected / 2 - oldest)


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
