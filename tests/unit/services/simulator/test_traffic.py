"""The sliding window and the request limit built on it."""

from hypothesis import given
from hypothesis import strategies as st

from services.simulator.traffic import SlidingWindow, Traffic

gaps = st.lists(st.integers(0, 1500), min_size=1, max_size=120)


def arrivals(gaps_ms: list[int]) -> list[float]:
    """Times in units that floats hold exactly (1/1024 s)."""
    at, times = 0, []
    for gap in gaps_ms:
        at += gap
        times.append(at / 1024)
    return times


def most_in_a_second(times: list[float]) -> int:
    return max((sum(start <= t < start + 1 for t in times) for start in times), default=0)


@given(gaps)
def test_the_peak_is_the_fullest_of_all_half_open_seconds(gaps_ms):
    window, times = SlidingWindow(), arrivals(gaps_ms)

    for at in times:
        window.add(at)

    assert window.peak == most_in_a_second(times)


@given(gaps, st.integers(1, 12))
def test_no_second_ever_holds_more_accepted_requests_than_the_limit(gaps_ms, limit):
    traffic, times = Traffic(), arrivals(gaps_ms)

    accepted = [at for at in times if traffic.admit(at, limit)]

    assert most_in_a_second(accepted) <= limit
    assert traffic.accepted.peak == most_in_a_second(accepted)
    assert traffic.arrived.peak == most_in_a_second(times)
    assert traffic.tally.throttled["rate"] == len(times) - len(accepted)


@given(gaps, st.integers(1, 12))
def test_a_request_is_refused_only_when_the_second_before_it_is_full(gaps_ms, limit):
    traffic = Traffic()
    accepted: list[float] = []

    for at in arrivals(gaps_ms):
        was_full = sum(at - 1 < t for t in accepted) >= limit
        refused = not traffic.admit(at, limit)
        assert refused == was_full
        if not refused:
            accepted.append(at)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=60), st.integers(1, 5))
def test_moments_out_of_order_exceed_no_limit(moments_ms, limit):
    traffic = Traffic()

    for at in moments_ms:
        traffic.admit(at / 1024, limit)

    assert traffic.accepted.peak <= limit
    assert traffic.tally.requests == len(moments_ms)


def test_without_a_limit_everything_is_let_in():
    traffic = Traffic()

    answers = [traffic.admit(0.0, None) for _ in range(50)]

    assert all(answers)
    assert traffic.accepted.peak == 50
