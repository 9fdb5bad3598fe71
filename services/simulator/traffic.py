"""Counts what arrives and what runs, per instance: the numbers that tests prove claims with."""

from collections import Counter, deque
from dataclasses import dataclass, field

_WINDOW_SECONDS = 1.0


class SlidingWindow:
    """The events of the last second, with the most that any one second ever held.

    A second is half-open: two events exactly 1.0 s apart are never in the same one.
    """

    __slots__ = ("_events", "peak")

    def __init__(self) -> None:
        self._events: deque[float] = deque()
        self.peak = 0

    def count(self, at: float) -> int:
        """Events within the second that ends at `at`."""
        events = self._events
        while events and events[0] <= at - _WINDOW_SECONDS:
            events.popleft()
        return len(events)

    def add(self, at: float) -> None:
        self._events.append(at)
        self.peak = max(self.peak, self.count(at))

    def reset_peak(self) -> None:
        self.peak = 0


@dataclass(slots=True)
class Tally:
    """What happened since the counters were last reset."""

    requests: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    """429 answers by reason: rate, concurrency, forced."""
    workflows_created: int = 0
    executions_created: int = 0
    executions_cancelled: int = 0
    finished: Counter[str] = field(default_factory=Counter)
    """Executions by the final status they reached."""
    peak_active: int = 0
    """Most executions PENDING or RUNNING at one moment."""
    peak_running: int = 0


@dataclass(slots=True)
class Traffic:
    """One instance's arrivals: all of them, and those that were let in."""

    arrived: SlidingWindow = field(default_factory=SlidingWindow)
    accepted: SlidingWindow = field(default_factory=SlidingWindow)
    tally: Tally = field(default_factory=Tally)
    _latest: float = float("-inf")

    def admit(self, at: float, limit: int | None) -> bool:
        """Counts an arrival; whether it is let in. What is refused uses up nothing.

        One that says it came before the last one, by how long each waited, came with it.
        """
        at = self._latest = max(at, self._latest)
        self.tally.requests += 1
        self.arrived.add(at)
        if limit is not None and self.accepted.count(at) >= limit:
            self.tally.throttled["rate"] += 1
            return False
        self.accepted.add(at)
        return True
