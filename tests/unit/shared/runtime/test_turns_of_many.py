"""Many processes with clocks of their own share one budget row, and none is ever punctual.

The row is modelled, the clocks drift apart, answers take their time both ways, and everybody wakes
late by some chance. What counts is when calls leave, on the one true clock.
"""

import heapq
import itertools
from bisect import bisect_left
from dataclasses import dataclass, field
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from shared.amc.permits import MAX_AGE_SECONDS, Permit
from shared.domain.errors import PermitExpired
from shared.domain.turns import DatabaseClock, Lead

STEP = 1 / 9.4
AHEAD = 0.128
FAR = 60.0
SECONDS = 8.0


@dataclass
class Row:
    """A budget row, as `take_permit_v2` keeps it; its clock is the true one."""

    next_free: float = 0.0

    def take(self, now: float, ahead: float, lead: float) -> tuple[bool, float]:
        slot = max(self.next_free, now + lead)
        if slot > now + ahead:
            return False, slot - ahead
        self.next_free = slot + STEP
        return True, slot


@dataclass
class Process:
    """One asker with a monotonic clock that began long ago and runs a little fast or slow."""

    began: float
    rate: float
    ahead: float
    database_clock: DatabaseClock = field(default_factory=DatabaseClock)
    lead: Lead = field(default_factory=Lead)

    def clock(self, true: float) -> float:
        return self.began + true * self.rate

    def true(self, mine: float) -> float:
        return (mine - self.began) / self.rate

    def ask(self, row: Row, now: float, there: float, back: float) -> tuple[bool, float, float]:
        """Granted, and the bounds of the moment on this process's clock."""
        told_at = now + there
        granted, moment = row.take(told_at, self.ahead, self.lead.seconds)
        asked, answered = self.clock(now), self.clock(told_at + back)
        self.lead.learn(answered - asked)
        self.database_clock.learn(told_at, asked_at=asked, answered_at=answered)
        return granted, *self.database_clock.bounds_of(moment)


def sent_by(processes: list[Process], chance: Random, slowness: float) -> list[float]:
    """True moments at which calls left; questions reach the row in their order."""
    row, sent, number = Row(), list[float](), itertools.count()
    due = [(chance.uniform(0, 0.1), next(number), process) for process in processes]
    heapq.heapify(due)
    while due:
        now, _, process = heapq.heappop(due)
        if now > SECONDS:
            continue
        # The row is locked in the order of arrival, so nobody overtakes whoever asked before.
        back = chance.expovariate(1 / slowness)
        granted, earliest, latest = process.ask(row, now, 0.0, back)
        free_at = max(now + back, process.true(latest)) + chance.expovariate(1 / slowness)
        if granted:
            permit = Permit.booked(
                earliest=earliest, latest=latest, clock=lambda p=process, t=free_at: p.clock(t)
            )
            try:
                permit.check()
            except PermitExpired:
                pass
            else:
                sent.append(free_at)
        heapq.heappush(due, (free_at + chance.uniform(0, 0.01), next(number), process))
    return sorted(sent)


def most_in_a_second(sent: list[float]) -> int:
    return max(
        (bisect_left(sent, begin + 1.0, lo=at) - at for at, begin in enumerate(sent)), default=0
    )


@given(
    seed=st.integers(0, 2**32),
    slowness=st.floats(0.0005, 0.06),
    rates=st.lists(st.floats(-150e-6, 150e-6), min_size=2, max_size=8),
)
def test_never_more_than_ten_leave_in_any_second_however_slow_and_late_all_are(
    seed: int, slowness: float, rates: list[float]
) -> None:
    chance = Random(seed)
    processes = [
        Process(chance.uniform(0, 1e6), 1 + rate, FAR if number == 0 else AHEAD)
        for number, rate in enumerate(rates)
    ]

    sent = sent_by(processes, chance, slowness)

    assert most_in_a_second(sent) <= 10
    assert all(
        later - earlier > STEP - MAX_AGE_SECONDS - 0.001
        for earlier, later in itertools.pairwise(sent)
    )


@given(seed=st.integers(0, 2**32))
def test_where_answers_are_quick_hardly_a_turn_is_lost(seed: int) -> None:
    chance = Random(seed)
    processes = [Process(chance.uniform(0, 1e6), 1.0, AHEAD) for _ in range(6)]

    sent = sent_by(processes, chance, 0.003)

    assert len(sent) >= 0.97 * 9.4 * SECONDS


@given(seed=st.integers(0, 2**32))
def test_answers_that_outlast_a_turn_take_no_turn_away(seed: int) -> None:
    """Each answer is on its way for longer than a permit lives; only waking is punctual."""
    chance, row = Random(seed), Row()
    process = Process(0.0, 1.0, AHEAD)
    process.ask(row, 0.0, 0.0005, 0.0005)
    row.next_free = 0.1

    granted, earliest, latest = process.ask(row, 0.0, 0.0, chance.uniform(0.031, 0.099))

    assert granted
    assert latest - earliest < 0.002
    assert latest < 0.102
