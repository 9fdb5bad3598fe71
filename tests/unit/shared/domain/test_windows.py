"""Windows as users write them and as AMC wants them."""

# ruff: noqa: DTZ001 - windows are naive times by design, as AMC's are

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidRequest
from shared.domain.windows import AskedWindow, DefaultWindow, TimeWindow, WindowType, known_zones

NOW = datetime(2025, 7, 30, 15, 45, tzinfo=UTC)


def resolve(**asked: str) -> TimeWindow:
    return AskedWindow(**asked).resolve(default=DefaultWindow(), now=NOW)


def test_no_window_means_seven_days_ending_fourteen_days_ago():
    assert resolve() == TimeWindow(
        WindowType.EXPLICIT, datetime(2025, 7, 9), datetime(2025, 7, 16), "UTC"
    )


def test_the_default_ends_at_midnight_of_the_asked_zone():
    window = AskedWindow(time_zone="Pacific/Auckland").resolve(
        default=DefaultWindow(), now=datetime(2025, 7, 30, 13, tzinfo=UTC)
    )

    assert window.end == datetime(2025, 7, 17)


def test_times_without_type_are_explicit_and_stay_as_they_are():
    window = resolve(start="2025-07-01T00:00:00", end="2025-07-08 12:30", time_zone="Asia/Tokyo")

    assert window == TimeWindow(
        WindowType.EXPLICIT, datetime(2025, 7, 1), datetime(2025, 7, 8, 12, 30), "Asia/Tokyo"
    )


def test_z_and_offsets_are_brought_into_the_zone():
    window = resolve(
        start="2025-07-01T00:00:00Z", end="2025-07-08T00:00:00-07:00", time_zone="Europe/Berlin"
    )

    assert (window.start, window.end) == (datetime(2025, 7, 1, 2), datetime(2025, 7, 8, 9))


@pytest.mark.parametrize("kind", [kind for kind in WindowType if kind != WindowType.EXPLICIT])
def test_other_types_carry_no_times(kind: WindowType):
    assert resolve(type=kind.value, time_zone="Europe/Berlin") == TimeWindow(
        kind, None, None, "Europe/Berlin"
    )


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"type": "YESTERDAY"}, "type"),
        ({"type": "explicit"}, "type"),
        ({"type": "EXPLICIT"}, "start"),
        ({"type": "ALL", "end": "2025-07-01T00:00:00"}, "end"),
        ({"start": "2025-07-01T00:00:00"}, "end"),
        ({"end": "2025-07-01T00:00:00"}, "start"),
        ({"start": "2025-07-01", "end": "2025-07-08T00:00:00"}, "start"),
        ({"start": "20250701T000000", "end": "2025-07-08T00:00:00"}, "start"),
        ({"start": "2025-07-01T00:00:00.5", "end": "2025-07-08T00:00:00"}, "start"),
        ({"start": "2025-02-30T00:00:00", "end": "2025-07-08T00:00:00"}, "start"),
        ({"start": "2025-07-08T00:00:00", "end": "2025-07-08T00:00:00"}, "end"),
        ({"start": "0001-01-01T00:00:00+14:00", "end": "2025-07-08T00:00:00"}, "start"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"time_zone": "Europe"}, "time_zone"),
    ],
)
def test_a_wrong_window_names_its_field(asked: dict[str, str], field: str):
    with pytest.raises(InvalidRequest) as caught:
        resolve(**asked)

    assert caught.value.problems[0].loc == (field,)


@given(
    start=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),
    length=st.timedeltas(timedelta(days=1), timedelta(days=400)),
    zone=st.sampled_from(sorted(known_zones())),
)
def test_an_instant_is_the_same_in_every_zone(start: datetime, length: timedelta, zone: str):
    start = start.replace(microsecond=0, tzinfo=UTC)
    length = timedelta(seconds=int(length.total_seconds()))

    window = resolve(start=start.isoformat(), end=(start + length).isoformat(), time_zone=zone)

    assert window.start == start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@given(
    now=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    days=st.integers(1, 400),
    lag=st.integers(0, 400),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]),
)
def test_a_default_is_whole_days_and_never_in_the_future(
    now: datetime, days: int, lag: int, zone: str
):
    window = DefaultWindow(days, lag, zone).at(now)

    assert window.start is not None
    assert window.end is not None
    assert window.end - window.start == timedelta(days=days)
    assert window.end <= now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@given(start=st.text(max_size=30), end=st.text(max_size=30), zone=st.text(max_size=30))
def test_no_text_breaks_a_window(start: str, end: str, zone: str):
    with pytest.raises(InvalidRequest):
        resolve(start=start, end=end, time_zone=zone)
