"""A create without an answer: settled by AMC's own list, so that exactly one execution exists."""

from typing import Any

import pytest

from tests.e2e.doubts import (
    CANCELLED_MADE,
    CANCELLED_NOT_MADE,
    MADE_UNHEARD,
    NOTHING_MADE,
    TOO_LATE,
)
from tests.e2e.house import Case, eventually


@pytest.mark.parametrize("fault", NOTHING_MADE)
def test_what_amc_never_made_is_sent_again_once(doubts: dict[str, Case], fault: str):
    case = doubts[fault]

    assert case.shown["status"] == "completed"
    assert len(case.made) == 1
    assert case.attempts == ["given_up", "bound"]


@pytest.mark.parametrize("fault", MADE_UNHEARD)
def test_what_amc_made_unheard_is_adopted(doubts: dict[str, Case], fault: str):
    case = doubts[fault]

    assert case.shown["status"] == "completed"
    assert [each["id"] for each in case.made] == [case.shown["amc_execution_id"]]
    assert case.attempts == ["bound"]


def test_an_execution_that_amc_makes_after_the_settle_time_is_found_and_cancelled(
    doubts: dict[str, Case],
):
    case = doubts[TOO_LATE]
    shown = case.shown

    found = eventually(lambda: case.made, lambda made: len(made) == 2 and all_final(made))

    assert shown["status"] == "completed"
    assert {each["id"] == shown["amc_execution_id"]: each["status"] for each in found} == {
        True: "SUCCEEDED",
        False: "CANCELLED",
    }


def all_final(made: list[dict[str, Any]]) -> bool:
    return not any(each["status"] in {"PENDING", "RUNNING"} for each in made)


def test_a_cancel_in_doubt_reaches_what_amc_made(doubts: dict[str, Case]):
    case = doubts[CANCELLED_MADE]

    assert case.shown["status"] == "cancelled"
    assert [each["status"] for each in case.made] == ["CANCELLED"]


def test_a_cancel_in_doubt_sends_nothing_again(doubts: dict[str, Case]):
    case = doubts[CANCELLED_NOT_MADE]

    assert case.shown["status"] == "cancelled"
    assert case.made == []
