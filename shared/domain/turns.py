"""When a turn of the rate budget is on this process's own clock: between two moments.

The budget speaks of moments on the database's clock, a process waits and sends by its monotonic
one. Each answer tells how far apart the two are, give or take the time the answer took. What is
known from all answers together is much narrower than what one slow answer tells, so that a turn
keeps its whole length on a busy machine.
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

_DRIFT: Final = 200e-6
"""Seconds a second by which two clocks move apart at most; quartz makes a quarter of that."""

_TRIPS: Final = 2.0
_LONGEST_LEAD: Final = 0.060
_NEARER: Final = 1.1


class Turn(NamedTuple):
    """An answer of the rate budget, in monotonic seconds of this process."""

    granted: bool
    """Booked: the turn begins between the two moments. Otherwise nothing was booked, and that is
    when to ask again."""
    earliest: float
    latest: float


@dataclass(slots=True)
class DatabaseClock:
    """The database's clock minus ours, between two bounds that certainly hold.

    Each answer was read off the database's clock after it was asked for and before it was here: the
    truth lies within each of these intervals, so within what all of them share. Between answers the
    bounds move apart, since clocks drift. An answer that contradicts what was known means that a
    clock was set: from then on it alone counts.
    """

    _least: float = -math.inf
    _most: float = math.inf
    _at: float = 0.0

    def learn(self, told: float, *, asked_at: float, answered_at: float) -> None:
        """The database's clock stood at `told` at some moment between the two."""
        # As of the answer, up to which the clocks have drifted since `told`.
        least_told = told - answered_at
        most_told = told - asked_at + (answered_at - asked_at) * _DRIFT
        drifted = (answered_at - self._at) * _DRIFT
        self._least = max(self._least - drifted, least_told)
        self._most = min(self._most + drifted, most_told)
        if self._least > self._most:
            self._least, self._most = least_told, most_told
        self._at = answered_at

    def bounds_of(self, moment: float) -> tuple[float, float]:
        """Between which monotonic seconds that moment of the database's lies."""
        earliest, latest = moment - self._most, moment - self._least
        drifting = max(0.0, latest - self._at) * _DRIFT
        return earliest - drifting, latest + drifting


@dataclass(slots=True)
class Lead:
    """How long before its turn a process wants to know of it.

    A turn that begins when it is booked has begun before its answer is here, and what has to be
    committed between the two takes about as long again. Where answers are quick this is hardly
    anything; on a busy machine it keeps a turn from being lost over it.
    """

    _trip: float = 0.0

    @property
    def seconds(self) -> float:
        """Two round trips of late, within reason."""
        return min(_LONGEST_LEAD, _TRIPS * self._trip)

    def learn(self, trip: float) -> None:
        """An answer took that many seconds. What half of them take counts, so one slow one says
        little however slow it was."""
        if not self._trip:
            self._trip = trip
        elif trip > self._trip:
            self._trip = min(trip, self._trip * _NEARER)
        else:
            self._trip = max(trip, self._trip / _NEARER)
