"""What the benchmarks of the whole system count, and the bounds that they compute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.budget import spell_of
from benchmarks.end_to_end import shortest
from benchmarks.polling import Length, windows
from benchmarks.town import Arrival

TIMES = st.lists(st.floats(0.1, 100), min_size=1, max_size=30)


def arrival(at: float, *, instance: str = "a", status: int = 200, path: str = "") -> Arrival:
    base = f"/amc/reporting/{instance}/workflowExecutions"
    return Arrival(
        seq=1, method="GET", path=base + path, status=status, instance_id=instance, arrived_at=at
    )


def test_each_run_starts_when_a_place_is_free() -> None:
    assert shortest([3, 1, 1, 1, 5], at_once=2) == 8


@given(TIMES, st.integers(1, 10))
def test_the_shortest_time_is_within_what_any_schedule_needs(
    durations: list[float], at_once: int
) -> None:
    found = shortest(durations, at_once)

    assert found >= max(*durations, sum(durations) / at_once) - 1e-9
    assert found <= sum(durations) / at_once + max(durations) + 1e-9


def test_what_amc_refused_uses_none_of_its_limit() -> None:
    calls = [arrival(n / 8, status=429 if n % 2 else 200) for n in range(80)]

    found = spell_of(calls, ["a"], 10)

    assert (found.rate, found.throttled, found.peak) == (4, 40, 8)


def test_an_instance_without_a_call_is_the_slowest() -> None:
    found = spell_of([arrival(1), arrival(1.5)], ["a", "b"], 2)

    assert (found.slowest, found.peak) == (0, 2)


def test_a_window_has_the_runs_that_ended_in_it_and_the_calls_that_came_in_it() -> None:
    length = Length(1, settle=10, window=10, windows=2)
    calls = [arrival(at) for at in (5, 12, 15, 29)]
    calls += [arrival(13, path="/x/downloadUrls"), arrival(14, instance="other")]
    ended = {"one": ("a", 11.0), "two": ("a", 19.5), "far": ("other", 12.0), "last": ("a", 25.0)}

    first, second = windows(["a"], calls, ended, {"one": 14.0, "two": 21.0}, began=0, length=length)

    assert first.calls_for_each == 1
    assert first.delays == pytest.approx([1.5, 3.0])
    assert (second.calls, second.delay(0.95)) == (1, float("inf"))
