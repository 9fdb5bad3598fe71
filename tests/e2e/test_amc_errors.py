"""Whatever AMC's answers and files look like, an execution ends right and was made once.

Waits add up, so the cases run side by side, each on an instance of its own.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.house import House, Place

GET = ("GET", r"workflowExecutions/[^/]+$")
CREATE = ("POST", r"workflowExecutions$")
CALLS = {
    "create workflow": ("POST", r"workflows$"),
    "list": ("GET", r"workflowExecutions$"),
    "links": ("GET", r"downloadUrls$"),
}
THROTTLED = ["429", "429-message", "429-html"]
BROKEN = ["500", "502", "504", "drop-before", "drop-after", "slow:4"]
UNREADABLE = ["truncate", "malformed-json", "empty-body"]
AT_CALLS = [(call, fault) for call in CALLS for fault in (*THROTTLED, *BROKEN, *UNREADABLE)]
AT_FILES = ["403", "500", "503", "drop-before", "truncate", "slow:4"]


@dataclass
class Case:
    """One execution that met a fault."""

    house: House
    place: Place
    execution: str

    @property
    def shown_now(self) -> dict[str, Any]:
        return self.house.shown(self.execution)

    @property
    def shown(self) -> dict[str, Any]:
        return self.house.ended(self.execution, within=40)

    @property
    def made(self) -> list[dict[str, Any]]:
        return self.house.at_amazon(self.execution, self.place)

    @property
    def unused(self) -> list[dict[str, Any]]:
        """Faults that were to strike it and did not."""
        ours = self.house.get(f"/executions/{self.execution}")["amc_workflow_id"]
        return [
            fault
            for fault in self.house.simulator.faults_left()
            if fault["match"]["instance_id"] == self.place.id
            or ours in (fault["match"]["path_regex"] or "")
        ]


@pytest.fixture(scope="module")
def begin(session_house: House) -> Callable[..., Case]:
    """Starts an execution on a new instance after its faults are set."""
    house, first = session_house, session_house.place()

    def beginning(*faults: tuple[str, tuple[str, str], int], directives: tuple[str, ...] = ()):
        place = house.place(shares=first)
        for fault, (method, path), count in faults:
            house.simulator.fault(fault, count=count, method=method, path=path, place=place)
        return Case(house, place, house.run(house.workflow(*directives), place))

    return beginning


@pytest.fixture(scope="module")
def at_calls(session_house: House, begin: Callable[..., Case]) -> dict[tuple[str, str], Case]:
    """All faults at all calls that are safe to repeat, and 429 at the one that is not."""
    cases = {(call, fault): begin((fault, CALLS[call], 1)) for call, fault in AT_CALLS}
    cases |= {("create", fault): begin((fault, CREATE, 2)) for fault in THROTTLED}
    for case in cases.values():
        assert case.shown
    return cases


@pytest.fixture(scope="module")
def at_files(session_house: House, begin: Callable[..., Case]) -> dict[str, Case]:
    """Faults at the store of result files, with results of three parts."""
    house, cases = session_house, {}
    for fault in AT_FILES:
        place, workflow = house.place(), house.workflow("rows 900", "parts 3")
        ours = house.get(f"/workflows/{workflow}")["amc_workflow_id"]
        house.simulator.fault(fault, method="GET", path=f"/s3/.*workflow={ours}/")
        cases[fault] = Case(house, place, house.run(workflow, place))
    for case in cases.values():
        assert case.shown
    return cases


@pytest.mark.parametrize(("call", "fault"), AT_CALLS)
def test_a_failing_call_is_made_again_and_the_execution_completes(at_calls, call: str, fault: str):
    case = at_calls[call, fault]

    assert case.shown["status"] == "completed"
    assert len(case.made) == 1
    assert case.unused == []


@pytest.mark.parametrize("fault", THROTTLED)
def test_a_throttled_create_waits_and_is_made_once(at_calls, fault: str):
    case = at_calls["create", fault]

    stats = case.house.simulator.stats(case.place)
    assert case.shown["status"] == "completed"
    assert (stats["throttled"]["forced"], len(case.made)) == (2, 1)


@pytest.mark.parametrize("fault", AT_FILES)
def test_a_result_file_that_fails_is_fetched_again_and_loaded_whole(at_files, fault: str):
    case = at_files[fault]

    (made,) = case.made
    content = case.house.download(case.execution, "csv").content
    assert case.shown["row_count"] == made["rows"] == 900
    assert hashlib.sha256(content).hexdigest() == made["sha256"]
    assert case.unused == []


def test_a_longer_outage_of_the_links_is_waited_for(house: House, begin: Callable[..., Case]):
    case = begin(("503", CALLS["links"], 4))

    assert case.shown["status"] == "completed"
    assert case.unused == []


def test_an_execution_buried_under_others_is_asked_for_until_an_answer_can_be_read(
    house: House, begin: Callable[..., Case]
):
    faults = [(fault, GET, 1) for fault in ("429", "500", "drop-before", *UNREADABLE)]
    house.simulator.switch(limits_enabled=False)

    case = begin(*faults, directives=("duration 300",))
    house.reaches(case.execution, "pending", "running")
    house.at_amazon_by_hand(case.place).run(case.shown_now["amc_workflow_id"], times=110)

    assert case.shown["status"] == "completed"
    assert case.unused == []


def test_an_instance_that_refuses_us_fails_with_what_to_check(
    house: House, begin: Callable[..., Case]
):
    case = begin(("403", CREATE, 1))

    error = case.shown["error"]
    assert (case.shown["status"], error["code"]) == ("failed", "instance_forbidden")
    assert "Unauthorized request" in error["message"]
    assert "has access to that account" in error["hint"]
    assert case.made == []


@pytest.mark.parametrize(
    ("directive", "code"),
    [('fail "Ran out of memory in stage 4"', "remote_failed"),
     ('reject "Privacy checks were not passed"', "query_rejected")],
    ids=["FAILED", "REJECTED"],
)  # fmt: skip
def test_what_amc_fails_or_rejects_fails_with_amcs_reason(
    house: House, begin: Callable[..., Case], directive: str, code: str
):
    case = begin(directives=(directive,))

    reason = directive.split('"')[1]
    shown = case.shown
    assert (shown["status"], shown["error"]["code"]) == ("failed", code)
    assert reason in shown["error"]["message"]
    assert shown["amc_status_reason"] == reason
    assert shown["error"]["hint"]


def test_sql_that_amc_refuses_fails_with_amcs_words(house: House, place: Place):
    sql = "SELECT campaign, SUM(impresions) AS n FROM dsp_impressions GROUP BY campaign"

    shown = house.ended(house.run(house.workflow(sql=sql), place))

    assert (shown["status"], shown["error"]["code"]) == ("failed", "query_rejected")
    assert "impresions" in shown["error"]["message"]
    assert house.simulator.executions(place) == []


def test_a_result_with_a_header_only_completes_with_no_rows(house: House, place: Place):
    shown = house.ended(house.run(house.workflow("rows 0"), place))

    assert (shown["status"], shown["row_count"]) == ("completed", 0)
    assert house.rows(shown["id"]) == []
    assert house.download(shown["id"]).text == "campaign,impressions\n"


def test_an_empty_file_completes_with_no_rows(house: House, place: Place):
    shown = house.ended(house.run(house.workflow("empty-file"), place))

    assert (shown["status"], shown["row_count"]) == ("completed", 0)
    assert house.rows(shown["id"]) == []


def test_a_column_that_appears_between_runs_is_kept(house: House, place: Place):
    workflow = house.workflow("columns-change")

    runs = [house.ended(house.run(workflow, place)) for _ in range(3)]

    widths = [len(house.get(f"/executions/{run['id']}/results")["columns"]) for run in runs]
    digests = [hashlib.sha256(house.download(run["id"]).content).hexdigest() for run in runs]
    assert [run["status"] for run in runs] == ["completed"] * 3
    assert widths == [2, 3, 2]
    assert digests == [each["sha256"] for each in house.at_amazon(runs[0]["id"], place)]


def test_a_word_among_numbers_is_kept_as_it_is(house: House, place: Place):
    shown = house.ended(house.run(house.workflow("odd-value", "rows 50"), place))

    (made,) = house.at_amazon(shown["id"], place)
    digest = hashlib.sha256(house.download(shown["id"]).content).hexdigest()
    last = house.rows(shown["id"])[-1]
    assert (shown["status"], shown["row_count"]) == ("completed", 50)
    assert digest == made["sha256"]
    assert not str(last[1]).isdigit()


def test_a_workflow_that_somebody_deleted_at_amc_is_made_again(house: House, place: Place):
    workflow = house.workflow()
    first = house.ended(house.run(workflow, place))

    house.at_amazon_by_hand(place).delete_workflow(first["amc_workflow_id"])
    second = house.ended(house.run(workflow, place))

    assert second["status"] == "completed"
    assert house.simulator.stats(place)["workflows_created"] == 2
    assert house.simulator.stats(place)["executions_created"] == 2


def test_an_instance_out_of_reach_for_seconds_catches_up_by_itself(house: House, place: Place):
    workflow = house.workflow("duration 60")
    house.run_many(workflow, place, 3)
    (house.reaches(each["id"], "pending", "running") for each in house.all_of(workflow))

    house.simulator.fault("drop-before", count=12, place=place)
    house.run_many(workflow, place, 2)
    found = house.all_ended(workflow, 5, within=40)

    assert {each["status"] for each in found} == {"completed"}
    assert house.simulator.stats(place)["executions_created"] == 5
