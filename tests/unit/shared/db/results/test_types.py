"""Types are guessed carefully and only ever grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.db.results.types import EMPTY, declared_type, fit, grown, guess, holds, is_id, wider

KINDS = [
    EMPTY, "bigint", "double precision", "numeric", "date", "timestamp", "boolean", "text",
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("0", "bigint"),
        ("-12", "bigint"),
        ("999999999999999", "bigint"),
        ("1000000000000000", "text"),
        ("007", "text"),
        ("-0", "text"),
        ("+1", "text"),
        (" 1", "text"),
        ("1.0", "numeric"),
        ("01.0", "text"),
        ("1.5e3", "double precision"),
        ("1e400", "numeric"),
        ("1e99999", "text"),
        ("NaN", "text"),
        ("2026-01-31", "date"),
        ("2026-02-30", "text"),
        ("2026-01-31 10:00:00", "timestamp"),
        ("2026-01-31T10:00:00.123456", "timestamp"),
        ("2026-01-31T10:00:00.1234567", "text"),
        ("2026-01-31T10:00:00Z", "text"),
        ("2026-01-31T10:00:00+02:00", "text"),
        ("true", "boolean"),
        ("t", "text"),
        ("yes", "text"),
        ("1٣", "text"),
    ],
)
def test_a_value_is_guessed_only_if_nothing_of_it_is_lost(value: str, kind: str) -> None:
    assert guess(value) == kind


@pytest.mark.parametrize(
    ("kind", "value", "bigger"),
    [
        (EMPTY, "1", "bigint"),
        ("bigint", "1.5", "numeric"),
        ("bigint", "x", "text"),
        ("double precision", "1e400", "numeric"),
        ("date", "2026-01-31 10:00:00", "timestamp"),
        ("timestamp", "x", "text"),
        ("boolean", "1", "text"),
    ],
)
def test_a_type_grows_to_the_smallest_that_holds_the_value(
    kind: str, value: str, bigger: str
) -> None:
    assert grown(kind, value) == bigger


@given(st.sampled_from(KINDS), st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_wider_is_a_least_upper_bound(one: str, two: str, three: str) -> None:
    assert wider(one, one) == one
    assert wider(one, two) == wider(two, one)
    assert wider(wider(one, two), three) == wider(one, wider(two, three))


@given(st.sampled_from(KINDS[1:]), st.lists(st.text(max_size=20)))
def test_a_fit_holds_everything_and_is_never_smaller(kind: str, values: list[str]) -> None:
    found = fit(kind, values)

    assert wider(kind, found) == found
    assert all(holds(found, value) for value in values)


@pytest.mark.parametrize(
    ("name", "data_type", "kind"),
    [
        ("clicks", "LONG", "bigint"),
        ("clicks", "decimal(38, 4)", "numeric"),
        ("campaign_id", "LONG", "text"),
        ("ASIN", "LONG", "text"),
        ("clicks", "CALENDAR_INTERVAL", "text"),
        ("clicks", None, None),
    ],
)
def test_amcs_words_are_translated(name: str, data_type: str | None, kind: str | None) -> None:
    assert declared_type(name, data_type) == kind


def test_ids_are_known_by_their_names() -> None:
    assert [is_id(name) for name in ("id", "user_id", "asin", "idea", "paid")] == [
        True, True, True, False, False,
    ]  # fmt: skip
