"""A moment of the database's clock, on ours: the bounds hold whatever answers come and go."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.domain.turns import DatabaseClock, Lead

AHEAD = 1.7e9
"""About where a clock of seconds since 1970 is."""
EXACT = 1e-6
"""What a float of that size can tell."""


class Clocks:
    """Ours, and the database's beside it, which drifts and is set."""

    def __init__(self, drift: float) -> None:
        self.drift = drift
        self.ours = 50.0
        self.ahead = AHEAD

    def pass_by(self, seconds: float) -> None:
        self.ours += seconds
        self.ahead += seconds * self.drift

    @property
    def database(self) -> float:
        return self.ours + self.ahead

    def ask(self, known: DatabaseClock, there: float, back: float) -> None:
        asked_at = self.ours
        self.pass_by(there)
        told = self.database
        self.pass_by(back)
        known.learn(told, asked_at=asked_at, answered_at=self.ours)


trips = st.lists(
    st.tuples(st.floats(0, 30), st.floats(0, 0.5), st.floats(0, 0.5)), min_size=1, max_size=30
)


@settings(max_examples=500)
@given(drift=st.floats(-199e-6, 199e-6), trips=trips, wait=st.floats(0, 60))
@example(drift=77e-6, trips=[(0.0, 0.0, 0.0), (0.0, 0.0, 0.5)], wait=0.0)
def test_a_moment_is_never_outside_its_bounds(
    drift: float, trips: list[tuple[float, float, float]], wait: float
) -> None:
    clocks, known = Clocks(drift), DatabaseClock()
    for pause, there, back in trips:
        clocks.pass_by(pause)
        clocks.ask(known, there, back)

    earliest, latest = known.bounds_of(clocks.database + wait)

    # The database's clock shows that moment when ours has gone on by the wait, less the drift.
    truth = clocks.ours + wait / (1 + drift)
    assert earliest - EXACT <= truth <= latest + EXACT


@given(slow=st.lists(st.floats(0.05, 0.5), max_size=20))
def test_slow_answers_take_nothing_from_what_a_quick_one_told(slow: list[float]) -> None:
    clocks, known = Clocks(0.0), DatabaseClock()
    clocks.ask(known, 0.0005, 0.0005)
    for trip in slow:
        clocks.ask(known, trip / 2, trip / 2)

    earliest, latest = known.bounds_of(clocks.database)

    assert latest - earliest < 0.001 + 20 * 0.5 * 2 * 200e-6 + EXACT


@given(jump=st.one_of(st.floats(-3600, -1), st.floats(1, 3600)), trip=st.floats(0.0001, 0.1))
def test_a_clock_that_was_set_is_believed_from_the_first_answer_on(
    jump: float, trip: float
) -> None:
    clocks, known = Clocks(0.0), DatabaseClock()
    clocks.ask(known, 0.001, 0.001)
    clocks.ahead += jump
    clocks.ask(known, trip, trip)

    earliest, latest = known.bounds_of(clocks.database)

    assert earliest - EXACT <= clocks.ours <= latest + EXACT
    assert latest - earliest < 2 * trip + 2 * EXACT + 0.001


def test_turns_are_wanted_earlier_where_answers_are_slow_but_within_reason() -> None:
    lead = Lead()
    for _ in range(50):
        lead.learn(0.001)
    quick = lead.seconds
    for _ in range(50):
        lead.learn(0.012)
    slow = lead.seconds
    for _ in range(50):
        lead.learn(2.0)

    assert quick == pytest.approx(0.002, rel=0.01)
    assert slow == pytest.approx(0.024, rel=0.01)
    assert lead.seconds < 0.1


def test_one_slow_answer_hardly_puts_turns_off() -> None:
    lead = Lead()
    for _ in range(50):
        lead.learn(0.001)

    lead.learn(3.0)

    assert lead.seconds < 0.003
