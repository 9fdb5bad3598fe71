"""The ids people see."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import clock
from shared.domain.errors import NotFound
from shared.domain.ids import EXECUTION_PREFIX, WORKFLOW_PREFIX, new_uuid, read, show


def test_a_new_id_is_a_uuid_of_version_7() -> None:
    made = new_uuid()

    assert (made.version, made.variant) == (7, "specified in RFC 4122")


def test_ids_are_ordered_by_the_time_they_were_made_at(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [1_700_000_000_000 + step for step in range(50)]
    told = iter(moments)
    monkeypatch.setattr(clock, "unix_seconds", lambda: (next(told) + 0.5) / 1000)

    made = [new_uuid() for _ in moments]

    assert made == sorted(made)
    assert [each.int >> 80 for each in made] == moments


def test_ids_made_at_one_moment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "unix_seconds", lambda: 1_700_000_000.0)

    assert len({new_uuid() for _ in range(1000)}) == 1000


@given(st.uuids())
def test_both_forms_of_an_id_find_the_row(value: UUID) -> None:
    shown = show(EXECUTION_PREFIX, value)

    assert shown.startswith("ex_")
    assert {read(EXECUTION_PREFIX, text, what="execution") for text in (shown, str(value))} == {
        value
    }


@pytest.mark.parametrize("text", ["", "ex_", "ex_zz", "7", "ex_" + "0" * 31, "wf_" + "0" * 32])
def test_any_other_form_names_nothing(text: str) -> None:
    with pytest.raises(NotFound, match="No execution has the id"):
        read(EXECUTION_PREFIX, text, what="execution")


def test_a_long_wrong_id_is_not_repeated_at_length() -> None:
    with pytest.raises(NotFound) as caught:
        read(WORKFLOW_PREFIX, "x" * 10_000, what="workflow")

    assert len(caught.value.message) < 150
    assert "wf_0190" in caught.value.hint
