"""Cursors come back as they were given out, and nothing else is one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.errors import BadCursor
from services.api.paging import read_number, read_uuid, wrap

FIRST = UUID(int=1)


@given(st.uuids())
def test_an_id_survives_its_cursor(key: UUID):
    assert read_uuid(wrap("x", key), "x", first=FIRST) == key


@given(st.integers(0, 2**63 - 1))
def test_a_number_survives_its_cursor(key: int):
    assert read_number(wrap("x", key), "x") == key


def test_without_a_cursor_a_list_starts_at_its_beginning():
    assert read_uuid(None, "x", first=FIRST) == FIRST
    assert read_number(None, "x") == 0


@given(st.text())
def test_no_other_text_is_a_cursor(text: str):
    with pytest.raises(BadCursor):
        read_number(text, "x")
    with pytest.raises(BadCursor):
        read_uuid(text, "x", first=FIRST)


@pytest.mark.parametrize("key", [-1, 2**63])
def test_a_number_that_no_row_has_is_refused(key: int):
    with pytest.raises(BadCursor):
        read_number(wrap("x", key), "x")


def test_a_cursor_is_good_for_its_own_list_only():
    with pytest.raises(BadCursor):
        read_number(wrap("x", 1), "y")
    with pytest.raises(BadCursor):
        read_uuid(wrap("x", 1), "x", first=FIRST)
