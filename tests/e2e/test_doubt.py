"""A create without an answer: settled by AMC's own list, so that exactly one execution exists.

Settling takes six seconds here, so all cases run side by side, each on an instance of its own.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.house import House, Place, eventually

CREATE = r"workflowExecutions$"
NOTHING_MADE = ["500", "502", "503", "504", "drop-before"]
MADE_UNHEARD = [
    "drop-after",
    "late-create:2",
    "late-create-drop:2",
    "truncate",
    "malformed-json",
    "empty-body",
]
TOO_LATE = "late-create:8"


@dataclass
class Case:
    """One execution whose first create was struck."""

    place: Place
    execution: str
    shown: dict[str, Any] = field(default_factory=dict)
    made: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def cases(session_house: House) -> dict[str, Case]:
    house = session_house
    first = house.place()

    def begin(fault: str, duration: int = 30) -> Case:
        place = house.place(shares=first)
        house.simulator.fault(fault, method="POST", path=CREATE, place=place)
        return Case(place, house.run(house.workflow(f"duration {duration}"), place))

    found = {fault: begin(fault) for fault in (*NOTHING_MADE, *MADE_UNHEARD)}
    found[TOO_LATE] = begin(TOO_LATE, duration=400)
    for name, fault in (("cancelled, not made", "drop-before"), ("cancelled, made", "drop-after")):
        found[name] = begin(fault, duration=1200)
        eventually_in_doubt(house, found[name])
        house.post(f"/executions/{found[name].execution}/cancel")
    for case in found.values():
        case.shown = house.ended(case.execution, within=40)
        case.made = house.at_amazon(case.execution, case.place)
        case.outcomes = outcomes(house, case.execution)
    return found


def eventually_in_doubt(house: House, case: Case) -> None:
    eventually(lambda: house.simulator.stats(case.place)["requests"], lambda seen: seen >= 2)


def outcomes(house: House, execution: str) -> list[str]:
    query = (
        "select outcome from submission_attempts where execution_id = $1::text::uuid"
        " order by attempt"
    )
    return [row["outcome"] for row in house.sql(query, execution.removeprefix("ex_"))]


@pytest.mark.parametrize("fault", NOTHING_MADE)
def test_what_amc_never_made_is_sent_again_once(cases: dict[str, Case], fault: str):
    case = cases[fault]

    assert case.shown["status"] == "completed"
    assert len(case.made) == 1
    assert case.outcomes == ["given_up", "bound"]


@pytest.mark.parametrize("fault", MADE_UNHEARD)
def test_what_amc_made_unheard_is_adopted(cases: dict[str, Case], fault: str):
    case = cases[fault]

    assert case.shown["status"] == "completed"
    assert [each["id"] for each in case.made] == [case.shown["amc_execution_id"]]
    assert case.outcomes == ["bound"]


def test_an_execution_that_amc_makes_after_the_settle_time_is_found_and_cancelled(
    cases: dict[str, Case],
):
    case = cases[TOO_LATE]

    ours, stray = case.made
    if ours["id"] != case.shown["amc_execution_id"]:
        ours, stray = stray, ours
    assert (case.shown["status"], ours["status"]) == ("completed", "SUCCEEDED")
    assert stray["status"] == "CANCELLED"


def test_a_cancel_in_doubt_reaches_what_amc_made(cases: dict[str, Case]):
    case = cases["cancelled, made"]

    assert case.shown["status"] == "cancelled"
    assert [each["status"] for each in case.made] == ["CANCELLED"]


def test_a_cancel_in_doubt_sends_nothing_again(cases: dict[str, Case]):
    case = cases["cancelled, not made"]

    assert case.shown["status"] == "cancelled"
    assert case.made == []
