"""Retry-After in both its forms, and in all the others."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.amc.retry_after import LONGEST, SHORTEST, retry_after

NOW = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 1),
        ("900", 900),
        ("901", 900),
        ("9" * 5000, 900),
        ("Sun, 01 Jun 2025 12:00:30 GMT", 30),
        ("Sun, 01 Jun 2025 14:00:30 +0200", 30),
        ("Sunday, 01-Jun-25 12:00:30 GMT", 30),
        ("Sun, 01 Jun 2025 11:00:00 GMT", 1),
        ("Sun, 01 Jun 2035 12:00:00 GMT", 900),
    ],
)
def test_both_forms_are_understood_and_kept_in_bounds(text: str, seconds: int) -> None:
    assert retry_after({"retry-after": text}, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "1e3", "٣", "Sun, 99 Foo 2025", "²"])
def test_what_is_neither_is_no_answer(text: str) -> None:
    assert retry_after({"retry-after": text}, NOW) is None


@pytest.mark.parametrize("wrong_by", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_date_is_read_by_the_clock_that_made_it(wrong_by: timedelta) -> None:
    headers = {
        "retry-after": "Sun, 01 Jun 2025 12:00:30 GMT",
        "date": "Sun, 01 Jun 2025 12:00:00 GMT",
    }

    assert retry_after(headers, NOW + wrong_by) == timedelta(seconds=30)


def test_an_absent_header_is_no_answer() -> None:
    assert retry_after({}, NOW) is None


@given(st.text(max_size=60))
def test_no_text_breaks_it_or_leaves_the_bounds(text: str) -> None:
    wait = retry_after({"retry-after": text}, NOW)

    assert wait is None or SHORTEST <= wait <= LONGEST


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_date_ends_within_the_bounds(moment: datetime) -> None:
    wait = retry_after({"retry-after": format_datetime(moment, usegmt=True)}, NOW)

    assert wait is not None
    assert SHORTEST <= wait <= LONGEST
