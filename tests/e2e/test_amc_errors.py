"""Whatever AMC's answers and files look like, an execution ends right and was made once.

Waits add up, so the cases run side by side, each on an instance of its own.
"""

import hashlib
from collections.abc import Callable

import pytest

from tests.e2e.house import Case, House, Place, eventually

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
OUTAGE = "503 for longer than one command tries"
FAILED = 'fail "Ran out of memory in stage 4"'
REJECTED = 'reject "Privacy checks were not passed"'
HEADER_ONLY, EMPTY, ODD = "rows 0", "empty-file", "odd-value"
RESULTS = [FAILED, REJECTED, HEADER_ONLY, EMPTY, ODD]
AT_FILES = ["403", "500", "503", "drop-before", "truncate", "slow:4"]


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
def outage(session_house: House) -> tuple[Place, str]:
    """Five executions on an instance whose next twelve requests are cut off."""
    house, place = session_house, session_house.place()
    workflow = house.workflow("duration 120")
    house.run_many(workflow, place, 3)
    eventually(lambda: house.simulator.stats(place), lambda seen: seen["active_now"] == 3)
    house.simulator.fault("drop-before", count=12, place=place)
    house.run_many(workflow, place, 2)
    return place, workflow


@pytest.fixture(scope="module")
def cases(
    session_house: House, begin: Callable[..., Case], outage: tuple[Place, str]
) -> dict[tuple[str, str], Case]:
    """One for each fault at each call and at the files, and one for each kind of result."""
    house = session_house
    cases = {(call, fault): begin((fault, CALLS[call], 1)) for call, fault in AT_CALLS}
    cases |= {("create", fault): begin((fault, CREATE, 2)) for fault in THROTTLED}
    cases["links", OUTAGE] = begin(("503", CALLS["links"], 4))
    cases["create", "403"] = begin(("403", CREATE, 1))
    cases |= {("result", each): begin(directives=(each,)) for each in RESULTS}
    for fault in AT_FILES:
        place, workflow = house.place(), house.workflow("rows 900", "parts 3")
        ours = house.get(f"/workflows/{workflow}")["amc_workflow_id"]
        house.simulator.fault(fault, method="GET", path=f"/s3/.*workflow={ours}/")
        cases["file", fault] = Case(house, place, house.run(workflow, place))
    for case in cases.values():
        assert case.shown
    house.all_ended(outage[1], 5, within=40)
    return cases


@pytest.mark.parametrize(("call", "fault"), AT_CALLS)
def test_a_failing_call_is_made_again_and_the_execution_completes(cases, call: str, fault: str):
    case = cases[call, fault]

    assert case.shown["status"] == "completed"
    assert len(case.made) == 1
    assert case.unused == []


@pytest.mark.parametrize("fault", THROTTLED)
def test_a_throttled_create_waits_and_is_made_once(cases, fault: str):
    case = cases["create", fault]

    stats = case.house.simulator.stats(case.place)
    assert case.shown["status"] == "completed"
    assert (stats["throttled"]["forced"], len(case.made)) == (2, 1)


@pytest.mark.parametrize("fault", AT_FILES)
def test_a_result_file_that_fails_is_fetched_again_and_loaded_whole(cases, fault: str):
    case = cases["file", fault]

    (made,) = case.made
    content = case.house.download(case.execution, "csv").content
    assert case.shown["row_count"] == made["rows"] == 900
    assert hashlib.sha256(content).hexdigest() == made["sha256"]
    assert case.unused == []


def test_a_longer_outage_of_the_links_is_waited_for(cases):
    case = cases["links", OUTAGE]

    assert case.shown["status"] == "completed"
    assert case.unused == []


def test_an_execution_buried_under_others_is_asked_for_until_an_answer_can_be_read(
    house: House, begin: Callable[..., Case]
):
    faults = [(fault, GET, 1) for fault in ("429", "drop-before", "malformed-json")]
    house.simulator.switch(limits_enabled=False)

    case = begin(*faults, directives=("duration 300",))
    house.reaches(case.execution, "pending", "running")
    house.at_amazon_by_hand(case.place).run(
        house.shown(case.execution)["amc_workflow_id"], times=110
    )

    assert case.shown["status"] == "completed"
    assert case.unused == []


def test_an_instance_that_refuses_us_fails_with_what_to_check(cases):
    case = cases["create", "403"]

    error = case.shown["error"]
    assert (case.shown["status"], error["code"]) == ("failed", "instance_forbidden")
    assert "Unauthorized request" in error["message"]
    assert "has access to that account" in error["hint"]
    assert case.made == []


@pytest.mark.parametrize(
    ("directive", "code"),
    [(FAILED, "remote_failed"), (REJECTED, "query_rejected")],
    ids=["FAILED", "REJECTED"],
)
def test_what_amc_fails_or_rejects_fails_with_amcs_reason(cases, directive: str, code: str):
    shown = cases["result", directive].shown

    reason = directive.split('"')[1]
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


@pytest.mark.parametrize(
    ("directive", "text"),
    [(HEADER_ONLY, "campaign,impressions\n"), (EMPTY, None)],
    ids=["a header only", "nothing"],
)
def test_a_result_without_rows_completes_without_rows(
    house: House, cases, directive: str, text: str | None
):
    shown = cases["result", directive].shown

    assert (shown["status"], shown["row_count"]) == ("completed", 0)
    assert house.rows(shown["id"]) == []
    assert text in {None, house.download(shown["id"]).text}


def test_a_column_that_appears_between_runs_is_kept(house: House, place: Place):
    workflow = house.workflow("columns-change")

    runs = [house.ended(house.run(workflow, place)) for _ in range(3)]

    widths = [len(house.get(f"/executions/{run['id']}/results")["columns"]) for run in runs]
    digests = [hashlib.sha256(house.download(run["id"]).content).hexdigest() for run in runs]
    assert [run["status"] for run in runs] == ["completed"] * 3
    assert widths == [2, 3, 2]
    assert digests == [each["sha256"] for each in house.at_amazon(runs[0]["id"], place)]


def test_a_word_among_numbers_is_kept_as_it_is(house: House, cases):
    case = cases["result", ODD]

    (made,) = case.made
    content = house.download(case.execution).content
    last = house.rows(case.execution)[-1]
    assert (case.shown["status"], case.shown["row_count"]) == ("completed", made["rows"])
    assert hashlib.sha256(content).hexdigest() == made["sha256"]
    assert not str(last[1]).isdigit()


def test_a_workflow_that_somebody_deleted_at_amc_is_made_again(house: House, place: Place):
    workflow = house.workflow()
    first = house.ended(house.run(workflow, place))

    house.at_amazon_by_hand(place).delete_workflow(first["amc_workflow_id"])
    second = house.ended(house.run(workflow, place))

    assert second["status"] == "completed"
    assert house.simulator.stats(place)["workflows_created"] == 2
    assert house.simulator.stats(place)["executions_created"] == 2


def test_an_instance_out_of_reach_for_seconds_catches_up_by_itself(
    house: House, outage: tuple[Place, str]
):
    """Creates that were cut off are in doubt, so this takes as long as settling them."""
    place, workflow = outage

    found = house.all_ended(workflow, 5, within=40)

    assert {each["status"] for each in found} == {"completed"}
    assert house.simulator.stats(place)["executions_created"] == 5
