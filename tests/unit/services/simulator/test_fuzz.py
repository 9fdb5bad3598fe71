"""Bodies and queries that nobody meant: an answer in AMC's form, never a traceback."""

import asyncio
import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.simulator.settings import SimulatorSettings
from services.simulator.simulator import build_simulator
from tests.unit.services.simulator.conftest import SQL, ManualClock, account_of, client_of
from tests.unit.services.simulator.duck.mutations import mutated
from tests.unit.services.simulator.duck.test_mutations import OURS

BASE = "/amc/reporting/amcsimnwus1"
NAMES = [
    "workflowId", "sqlQuery", "workflow", "inputParameters", "outputColumns", "outputFormat",
    "timeWindowType", "timeWindowStart", "timeWindowEnd", "timeWindowTimeZone", "maxCertifiedTime",
    "parameterValues", "advertisers", "dryRun", "workflowExecutionTimeoutSeconds", "status",
    "scheduleId", "aggregationPeriod", "aggregationStartDay", "aggregationHourUtc", "instanceName",
    "awsAccountId", "s3BucketName", "bucketName", "idempotencyToken", "advertisersToAdd",
    "advertisersToRemove", "fault", "match", "count", "seed", "profile", "accounts", "instances",
    "refresh_token", "list_lag_seconds", "grant_type", "code", "name", "dataType", "id", "type",
]  # fmt: skip
words = st.sampled_from(
    [
        "wf", SQL, "EXPLICIT", "2026-08-01T00:00:00", "0001-01-01T00:00:00", "Europe/Berlin",
        "../x", "Weekly", "\x00", "\u202e", "9" * 30, "true", "", "500", "amcsimnwus1",
        "Fresh one", "DISPLAY",
    ]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
bodies = st.binary(max_size=30) | st.dictionaries(st.sampled_from(NAMES), values, max_size=6).map(
    lambda members: json.dumps(members).encode()
)
CALLS = [
    ("POST", f"{BASE}/workflows"),
    ("PUT", f"{BASE}/workflows/wf"),
    ("POST", f"{BASE}/workflowExecutions"),
    ("PUT", f"{BASE}/workflowExecutions/EXECUTION"),
    ("POST", f"{BASE}/schedules"),
    ("PUT", f"{BASE}/schedules/s"),
    ("POST", "/amc/instances"),
    ("PUT", "/amc/instances/amcsimnwus1"),
    ("POST", "/amc/instances/amcsimnwus1/updateCustomerAwsAccount"),
    ("POST", "/amc/instances/amcsimnwus1/advertisers/updates"),
    ("POST", "/auth/o2/token"),
    ("POST", "/ap/oa"),
    ("PUT", "/_simulator/switches"),
    ("POST", "/_simulator/faults/replay"),
    ("PUT", "/_simulator/profile"),
    ("POST", "/_simulator/world"),
    ("POST", "/_simulator/refresh-tokens"),
    ("POST", "/_simulator/revoke"),
]
PATHS = [
    f"{BASE}/workflows", f"{BASE}/workflowExecutions", f"{BASE}/dataSources", f"{BASE}/schedules",
    "/amc/accounts", "/amc/instances", "/amc/instances/amcsimnwus1/advertisers",
    "/amc/instances/amcsimnwus1/advertisers/updates", "/v2/profiles", "/user/profile", "/ap/oa",
    "/_simulator/journal", "/_simulator/executions", "/_simulator/s3/amc-output-sim/a/b/part-x.csv",
]  # fmt: skip
QUERIES = [
    "limit", "nextToken", "workflowId", "minCreationTime", "maxCreationTime", "timeZone", "type",
    "sortAscending", "includeWorkflow", "after", "access_token", "redirect_uri", "client_id",
    "scope", "state", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature",
]  # fmt: skip
few = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def answer_of(method: str, path: str, **options) -> httpx.Response:
    """The answer of a new simulator that has one workflow, one schedule and one execution."""
    simulator = build_simulator(SimulatorSettings(), ManualClock())
    simulator.switches = simulator.switches.model_copy(update={"limits_enabled": False})
    token = simulator.tokens.issue(simulator.tokens.grant("Atzr|sim-default"))
    headers = {"Authorization": f"Bearer {token}", **account_of(simulator)}
    async with client_of(simulator, headers) as client:
        await client.post(f"{BASE}/workflows", json={"workflowId": "wf", "sqlQuery": SQL})
        schedule = {"scheduleId": "s", "workflowId": "wf", "aggregationPeriod": "Daily"}
        await client.post(f"{BASE}/schedules", json=schedule)
        made = await client.post(f"{BASE}/workflowExecutions", json={"workflowId": "wf"})
        path = path.replace("EXECUTION", made.json()["workflowExecutionId"])
        return await client.request(method, path, **options)


def check(answer: httpx.Response) -> None:
    assert answer.status_code in {200, 302, 400, 401, 403, 404}
    if answer.status_code >= 400 and answer.headers["content-type"] == "application/json":
        assert {"code", "details"} <= answer.json().keys() or "error" in answer.json()


@pytest.mark.parametrize(("method", "path"), CALLS, ids=lambda value: value.rpartition("/")[2])
@few
@given(bodies)
def test_any_body_gets_an_answer(method, path, body):
    check(asyncio.run(answer_of(method, path, content=body)))


@pytest.mark.parametrize("path", PATHS, ids=lambda value: value.rpartition("/")[2])
@few
@given(st.dictionaries(st.sampled_from(QUERIES), words | st.text(max_size=9), max_size=4))
def test_any_query_gets_an_answer(path, query):
    check(asyncio.run(answer_of("GET", path, params=query)))


@few
@given(mutated())
def test_any_sql_is_saved_or_refused_in_amcs_form(sql):
    body = {"workflowId": "new", "sqlQuery": sql}
    answer = asyncio.run(answer_of("POST", f"{BASE}/workflows", json=body))

    assert answer.status_code in {200, 400}
    if answer.status_code == 400:
        said = answer.json()
        assert said["code"] == "400"
        assert said["details"].startswith("Was unable to compile workflow new because it was")
        assert OURS.search(said["details"].replace(sql, "")) is None
