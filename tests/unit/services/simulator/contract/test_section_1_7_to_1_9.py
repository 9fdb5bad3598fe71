"""Sections 1.7 to 1.9: errors, limits, schedules, data sources."""

import re

import pytest

from tests.unit.services.simulator.contract.conftest import PARAMETER, WINDOW


async def test_s1_7_body_is_code_and_details(client, base):
    answer = await client.get(f"{base}/workflowExecutions/none")

    assert answer.json() == {
        "code": "400",
        "details": "Workflow execution with ID none does not exist.",
    }


async def test_s1_7_unauthorized_is_403(client):
    answer = await client.get("/amc/reporting/amcother/workflows")

    assert (answer.status_code, answer.json()["details"]) == (403, "Unauthorized request.")


async def test_s1_7_unknown_execution_is_400_and_not_404(client, base):
    for path in ("none", "none/downloadUrls"):
        assert (await client.get(f"{base}/workflowExecutions/{path}")).status_code == 400


@pytest.mark.parametrize("status", [400, 404])
async def test_s1_7_unknown_workflow_follows_its_switch(client, base, status):
    await client.put("/_simulator/switches", json={"unknown_workflow_status": status})

    answer = await client.get(f"{base}/workflows/none")

    assert answer.status_code == status
    assert answer.json()["details"] == "Workflow with ID none does not exist"


async def test_s1_7_compile_error_is_the_same_when_run_ad_hoc(client, base):
    body = {"workflow": {"sqlQuery": PARAMETER}}
    answer = await client.post(f"{base}/workflowExecutions", json=body)

    pattern = "Was unable to compile workflow transient_.* because it was found to be invalid: .*"
    assert answer.status_code == 400
    assert re.fullmatch(pattern, answer.json()["details"])


@pytest.mark.parametrize(
    ("sql", "cause"),
    [
        ("SELECT campaign FROM nowhere", "Object 'nowhere' not found"),
        ("SELECT campaign || 'x' AS c FROM dsp_clicks", "Unsupported scalar operation type ||"),
    ],
)
async def test_s1_7_sql_positions_are_calcites(save, sql, cause):
    details = (await save(sql=sql)).json()["details"]

    assert re.search(r"From line 1, column \d+ to line 1, column \d+: ", details)
    assert details.endswith(cause)


@pytest.mark.parametrize(("kind", "code"), [("word", "UNAUTHORIZED"), ("number", "401")])
async def test_s1_7_body_of_a_401_follows_its_switch(client, kind, code):
    await client.put("/_simulator/switches", json={"unauthorized_code": kind})

    answer = await client.get("/amc/accounts", headers={"Authorization": "Bearer x"})

    assert answer.status_code == 401
    assert answer.json() == {
        "code": code,
        "details": "HTTP 401 Unauthorized",
        "requestId": answer.headers["x-amz-rid"],
    }


async def test_s1_7_terms_must_be_accepted_by_a_switch(client, base):
    await client.put("/_simulator/switches", json={"terms_accepted": False})

    for path in (f"{base}/workflows", "/amc/instances"):
        answer = await client.get(path)
        assert answer.status_code == 403
        assert answer.json()["details"] == "Terms and conditions must be accepted to continue"


async def test_s1_7_entity_id_null_is_the_text_for_a_missing_header(client):
    del client.headers["Amazon-Advertising-API-AdvertiserId"]

    answer = await client.get("/amc/instances")

    assert answer.json()["details"] == "entityId provided is null"


async def test_s1_7_gateway_timeout_has_a_message(client, base):
    await client.post("/_simulator/faults", json={"fault": "504"})

    answer = await client.get(f"{base}/workflows")

    assert answer.status_code == 504
    assert answer.json() == {"message": "Endpoint request timed out"}


async def test_s1_7_privacy_budget_rejects_by_a_switch(client, done, run):
    await client.put("/_simulator/switches", json={"privacy_budget_executions": 2})
    other = {**WINDOW, "timeWindowStart": "2026-07-01T00:00:00"}
    elsewhere = {**other, "timeWindowEnd": "2026-07-08T00:00:00"}
    for _ in range(2):
        assert (await done(**WINDOW))["status"] == "SUCCEEDED"

    overlapping, apart = await done(**other), await done(**elsewhere)

    assert (overlapping["status"], apart["status"]) == ("REJECTED", "SUCCEEDED")
    assert overlapping["statusReason"] == (
        f'Execution "{overlapping["workflowExecutionId"]}" of workflow "wf" could not be run'
        " because too many workflows have already been run against the same input data sources in"
        " the same or overlapping time windows."
    )


async def test_s1_8_concurrency_is_ten_and_surplus_stays_pending(client, base, run, later):
    for _ in range(12):
        await run()
    later(3)
    listed = (await client.get(f"{base}/workflowExecutions?workflowId=wf")).json()["executions"]

    statuses = [execution["status"] for execution in listed]
    assert (statuses.count("RUNNING"), statuses.count("PENDING")) == (10, 2)


async def test_s1_8_account_limit_is_200(simulator):
    assert simulator.switches.max_concurrent_executions_per_account == 200


async def test_s1_8_data_ready_after_48_hours_and_13_months_back(done):
    shown = await done(timeWindowType="ALL")

    assert shown["timeWindowEnd"] == "2026-09-19T00:00:00Z"
    assert shown["timeWindowStart"] == "2025-08-19T00:00:00Z"


async def test_s1_8_rate_above_ten_a_second_is_429(client, base):
    statuses = [(await client.get(f"{base}/workflows")).status_code for _ in range(11)]

    assert statuses == [200] * 10 + [429]


async def test_s1_8_rate_of_ad_hoc_runs_a_day_is_a_switch(client, run, later):
    await client.put("/_simulator/switches", json={"adhoc_runs_per_day": 1})
    statuses = [(await run()).status_code for _ in range(2)]
    later(86_400)

    assert [*statuses, (await run()).status_code] == [200, 429, 200]


SCHEDULE = {"scheduleId": "s", "workflowId": "wf", "aggregationPeriod": "Weekly"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"aggregationHourUtc": "7", "scheduleEnabled": "TRUE"}, 200),
        ({"aggregationStartDay": "Friday"}, 200),
        ({"aggregationPeriod": "Monthly"}, 400),
        ({"aggregationPeriod": None}, 400),
        ({"aggregationStartDay": "Someday"}, 400),
        ({"aggregationHourUtc": 24}, 400),
        ({"workflowId": "none"}, 400),
        ({"scheduleId": "a b"}, 400),
    ],
    ids=str,
)
async def test_s1_9_schedule_members_have_their_values(client, base, save, change, status):
    await save()

    answer = await client.post(f"{base}/schedules", json={**SCHEDULE, **change})

    assert answer.status_code == status, answer.text


async def test_s1_9_schedule_members_have_the_day_of_creation(client, base, save):
    await save()
    first = await client.post(f"{base}/schedules", json=SCHEDULE)
    again = await client.post(f"{base}/schedules", json=SCHEDULE)

    shown = (await client.get(f"{base}/schedules/s")).json()
    assert shown == {**SCHEDULE, "aggregationStartDay": "Monday"}
    assert (first.status_code, again.status_code) == (200, 400)


async def test_s1_9_schedule_firing_comes_six_hours_after_the_hour(client, base, save, later):
    await save()
    body = {"scheduleId": "s", "workflowId": "wf", "aggregationPeriod": "Daily"}
    await client.post(f"{base}/schedules", json={**body, "aggregationHourUtc": 15})
    later(86_400)

    answer = await client.get(f"{base}/workflowExecutions?workflowId=wf")

    (execution,) = answer.json()["executions"]
    assert execution["createTime"].endswith("T21:00:00Z")
    assert execution["executionCategory"] == "SCHEDULED"


async def test_s1_9_data_source_members_are_those_of_the_schema(client, base):
    (first, *_) = (await client.get(f"{base}/dataSources")).json()["dataSources"]

    assert first.keys() >= {"dataSourceId", "description", "owner", "provider", "columns", "tags"}
    assert (first["owner"], first["provider"]) == ("AMAZON", "AMAZON")
    assert first["outputChannels"] == [{"channel": {"type": "DOWNLOAD"}, "outputAvailable": True}]


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("shape", ["flat", "wrapped"])
async def test_s1_9_data_source_members_follow_their_switches(client, base, shape, typed):
    switches = {"data_source_shape": shape, "data_source_types": typed}
    await client.put("/_simulator/switches", json=switches)

    body = (await client.get(f"{base}/dataSources/dsp_clicks")).json()

    source = body["dataSource"] if shape == "wrapped" else body
    assert source["dataSourceId"] == "dsp_clicks"
    assert all(("dataType" in column) == typed for column in source["columns"])


@pytest.mark.parametrize(
    ("marketplace", "country"),
    [
        ("ATVPDKIKX0DER", "US"),
        ("A2EUQ1WTGCTBG2", "CA"),
        ("A1AM78C64UM0Y8", "MX"),
        ("A2Q3Y263D00KWC", "BR"),
        ("A1F83G8C2ARO7P", "UK"),
        ("A1PA6795UKMFR9", "DE"),
        ("A13V1IB3VIYZZH", "FR"),
        ("APJ6JRA9NG5V4", "IT"),
        ("A1RKKUPIHCS9HS", "ES"),
        ("A1805IZSGTT6HS", "NL"),
        ("A2NODRKZP88ZB9", "SE"),
        ("A33AVAJ2PDY3EV", "TR"),
        ("A17E79C6D8DWNP", "SA"),
        ("A2VIGQ35RCS4UG", "AE"),
        ("A39IBJ37TRP1C6", "AU"),
        ("A1VC38T7YXB528", "JP"),
        ("A21TJRUUN4KGV", "IN"),
    ],
)
async def test_s1_9_marketplaces_have_their_countries(client, marketplace, country):
    entry = {"accountId": "ENTITYNEW", "marketplaceId": marketplace}
    await client.post("/_simulator/world", json={"accounts": [entry]})

    shown = (await client.get("/v2/profiles")).json()

    countries = {p["accountInfo"]["marketplaceStringId"]: p["countryCode"] for p in shown}
    assert countries[marketplace] == country
