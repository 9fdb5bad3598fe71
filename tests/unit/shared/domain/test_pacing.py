"""How long to wait: pure rules, so every case can be tried."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.pacing import LookPace, backoff, timeout_with_marker

SECONDS = st.floats(0, 100_000)


@pytest.mark.parametrize(
    ("tries", "whole"), [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (30, 60), (10_000, 60)]
)
def test_each_try_waits_twice_as_long_up_to_a_bound(tries: int, whole: float) -> None:
    longest = backoff(tries, uniform=lambda _, high: high)
    shortest = backoff(tries, uniform=lambda low, _: low)

    assert longest.total_seconds() == whole
    assert shortest == longest / 2


@given(st.integers(0, 1_000_000))
def test_a_backoff_is_never_nothing_and_never_more_than_a_minute(tries: int) -> None:
    assert timedelta(milliseconds=500) <= backoff(tries) <= timedelta(seconds=60)


@given(st.lists(SECONDS, min_size=1, max_size=50), st.none() | SECONDS)
def test_a_look_is_never_too_soon_and_never_too_late(
    ages: list[float], expected: float | None
) -> None:
    pace = LookPace()

    assert pace.shortest <= pace.next_look(ages, expected) <= pace.longest


@pytest.mark.parametrize(
    ("age", "expected", "seconds"),
    [
        (0, None, 2),
        (100, None, 5),
        (900, None, 45),
        (90_000, None, 60),
        (0, 18, 9),
        (0, 120, 15),
        (59, 120, 120 / 19),
        (119, 120, 120 / 19),
        (500, 900, 15),
        (30, 36, 2),
        (600, 120, 30),
    ],
)
def test_a_look_comes_when_something_is_likely_ready(
    age: float, expected: float | None, seconds: float
) -> None:
    assert LookPace().next_look([age], expected).total_seconds() == pytest.approx(seconds)


@given(st.lists(st.floats(0, 119), min_size=1, max_size=20))
def test_with_one_of_a_middle_age_looks_come_at_an_even_distance(ages: list[float]) -> None:
    look = LookPace().next_look([60, *ages], 120)

    assert look.total_seconds() == pytest.approx(120 / 19)


def test_the_youngest_sets_the_pace() -> None:
    pace = LookPace()

    assert pace.next_look([5, 5000, 50_000], None) == pace.next_look([5], None)
    assert pace.next_look([5, 5000, 50_000], 36) == timedelta(seconds=2)


def test_a_crowd_is_looked_at_less_often_because_each_look_finds_many() -> None:
    assert LookPace().next_look([1.0] * 140, None).total_seconds() == 8


@given(st.lists(SECONDS, min_size=1, max_size=50), st.none() | SECONDS, st.floats(0.1, 10))
def test_a_faster_amc_is_looked_at_as_much_faster(
    ages: list[float], expected: float | None, scale: float
) -> None:
    usual = LookPace().next_look(ages, expected)
    faster = LookPace(shortest=timedelta(seconds=2 / scale), longest=timedelta(seconds=60 / scale))

    look = faster.next_look([a / scale for a in ages], expected and expected / scale)

    assert look.total_seconds() * scale == pytest.approx(usual.total_seconds(), abs=1e-4)


@given(st.integers(1, 86_400), st.booleans())
def test_amcs_own_timeout_is_within_its_bounds_and_never_below_the_deadline(
    deadline: int, is_marked: bool
) -> None:
    timeout = timeout_with_marker(deadline, is_marked=is_marked)

    assert max(900, deadline) <= timeout <= 86_400


def test_an_unmarked_timeout_is_the_deadline() -> None:
    assert timeout_with_marker(21_600, is_marked=False) == 21_600


@pytest.mark.parametrize(
    ("deadline", "numbers"),
    [(60, 3600), (21_600, 3600), (82_800, 3600), (86_000, 401), (86_400, 1)],
)
def test_a_mark_has_as_much_room_as_amcs_bounds_leave(deadline: int, numbers: int) -> None:
    rooms: list[int] = []

    def last(room: int) -> int:
        rooms.append(room)
        return room - 1

    timeout = timeout_with_marker(deadline, is_marked=True, randrange=last)

    assert rooms == [numbers]
    assert timeout <= 86_400
