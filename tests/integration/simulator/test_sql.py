"""The simulator as a process that runs its SQL."""

import time

import httpx
import pytest

from tests.integration.simulator.conftest import end, launch, log_in

WEEK = {
    "timeWindowType": "EXPLICIT",
    "timeWindowStart": "2026-08-01T00:00:00",
    "timeWindowEnd": "2026-08-08T00:00:00",
}
CAMPAIGNS = """SELECT campaign, SUM(impressions) AS shown, COUNT(DISTINCT user_id) AS users
               FROM dsp_impressions GROUP BY campaign"""


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    started = launch(
        *("--engine", "duckdb", "--users", "3000", "--time-scale", "600"),
        *("--duration-profile", "fixed:60"),
        *("--data-folder", str(tmp_path_factory.mktemp("data"))),
    )
    started.control("switches", {"limits_enabled": False})
    yield started
    end(started)


@pytest.fixture(scope="module")
def amc(process):
    with log_in(process.url) as client:
        yield client


def ended(amc: httpx.Client, sql: str, **workflow) -> dict:
    """An execution of an ad-hoc workflow, when it is over."""
    body = {"workflow": {"sqlQuery": sql, **workflow}, **WEEK}
    created = amc.post("/workflowExecutions", json=body).raise_for_status().json()
    for _ in range(400):
        found = amc.get(f"/workflowExecutions/{created['workflowExecutionId']}").json()
        if found["status"] not in {"PENDING", "RUNNING"}:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def lines(amc: httpx.Client, execution: dict) -> list[str]:
    path = f"/workflowExecutions/{execution['workflowExecutionId']}/downloadUrls"
    urls = amc.get(path).raise_for_status().json()["downloadUrls"]
    return "".join(httpx.get(url).raise_for_status().text for url in urls).splitlines()


def test_the_rows_are_those_of_the_query(amc):
    header, *rows = lines(amc, ended(amc, CAMPAIGNS))

    assert header == "campaign,shown,users"
    assert len(rows) == 18
    assert all(int(row.split(",")[1]) >= int(row.split(",")[2]) > 1 for row in rows)


def test_the_same_question_has_the_same_answer(amc):
    assert lines(amc, ended(amc, CAMPAIGNS)) == lines(amc, ended(amc, CAMPAIGNS))


def test_thresholds_leave_a_header_only(amc):
    sql = "SELECT city_name, SUM(clicks) AS clicks FROM dsp_clicks GROUP BY city_name"

    assert lines(amc, ended(amc, sql)) == ["city_name,clicks"]


def test_the_wishes_for_filtering_are_followed(amc):
    sql = "SELECT postal_code, SUM(impressions) AS n FROM dsp_impressions GROUP BY 1"
    wishes = {"filteredMetricsDiscriminatorColumn": "cut", "distinctUserCountColumn": "people"}

    header, *rows = lines(amc, ended(amc, sql, **wishes))
    assert header == "postal_code,n,cut,people"
    assert any(row.startswith(",") and ",true," in row for row in rows)


def test_directives_still_make_results_up(amc):
    assert len(lines(amc, ended(amc, f"-- simulator: rows 7\n{CAMPAIGNS}"))) == 8


def test_what_cannot_be_run_is_refused_at_once(amc):
    workflow = {
        "workflowId": "bad",
        "sqlQuery": "SELECT user_id, COUNT(*) FROM dsp_clicks GROUP BY 1",
    }
    answer = amc.post("/workflows", json=workflow)

    assert answer.status_code == 400
    assert (
        "From line 1, column 8 to line 1, column 14: Column 'user_id'" in answer.json()["details"]
    )


def test_a_query_that_breaks_ends_in_failed(amc):
    sql = "SELECT campaign, SUM(clicks * 9223372036854775807 * 2) AS n FROM dsp_clicks GROUP BY 1"
    found = ended(amc, sql)

    assert found["status"] == "FAILED"
    assert "out of range" in found["statusReason"]


def test_a_cancelled_execution_stops(amc):
    sql = """SELECT a.campaign, COUNT(*) AS n FROM dsp_impressions a, dsp_impressions b,
             dsp_impressions c WHERE a.creative <> c.creative GROUP BY 1"""
    body = {"workflow": {"sqlQuery": sql}, **WEEK}
    created = amc.post("/workflowExecutions", json=body).raise_for_status().json()
    path = f"/workflowExecutions/{created['workflowExecutionId']}"
    amc.put(path, json={"status": "CANCELLED"}).raise_for_status()

    assert amc.get(path).json()["status"] == "CANCELLED"
    assert ended(amc, CAMPAIGNS)["status"] == "SUCCEEDED"
