"""Sections 1.2 to 1.6: workflows, executions, lists and downloads as they are on the wire."""

import re

import pytest

from tests.unit.services.simulator.conftest import SQL, WEEK

PENDING_MEMBERS = {
    "createTime",
    "dataGaps",
    "disableAggregationControls",
    "executionCategory",
    "expireTime",
    "ignoreDataGaps",
    "lastUpdatedTime",
    "parameterValues",
    "status",
    "timeWindowStart",
    "timeWindowEnd",
    "timeWindowStartOriginal",
    "timeWindowEndOriginal",
    "timeWindowTimeZoneOriginal",
    "waitUntil",
    "workflowExecutionId",
    "workflowExecutionTimeoutSeconds",
    "workflowId",
}
SUCCEEDED_MEMBERS = PENDING_MEMBERS | {
    "availableTimeBeforeWindowSecs",
    "executionTime",
    "invalidationOffsetSecs",
    "outputColumns",
    "outputS3URI",
    "validatedTime",
}


async def test_a_create_is_answered_with_an_empty_object_as_octet_stream(amc):
    answer = await amc.save()

    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == "2"


async def test_a_workflow_is_shown_flat_without_empty_members(amc):
    await amc.save()

    answer = await amc.get("/workflows/wf")

    assert answer.json() == {"sqlQuery": SQL, "workflowId": "wf"}
    assert answer.headers["content-type"] == "application/vnd.amcworkflows.v1+json"


async def test_a_second_workflow_of_the_same_id_is_refused_in_amcs_words(amc):
    await amc.save()
    answer = await amc.save()

    assert answer.status_code == 400
    assert answer.json() == {"code": "400", "details": "Workflow with ID wf already exists."}


async def test_a_put_replaces_the_whole_definition(amc):
    await amc.save(privacyFilteringBehavior="REMOVE_VALUES")
    sql = "SELECT site, COUNT(*) AS n FROM dsp_clicks GROUP BY 1"

    assert (await amc.call("PUT", "/workflows/wf", {"sqlQuery": sql})).json() == {}

    assert (await amc.get("/workflows/wf")).json() == {"sqlQuery": sql, "workflowId": "wf"}


async def test_a_deleted_workflow_is_gone(amc):
    await amc.save()

    assert (await amc.call("DELETE", "/workflows/wf")).json() == {}

    answer = await amc.get("/workflows/wf")
    assert answer.json() == {"code": "400", "details": "Workflow with ID wf does not exist"}


async def test_an_undeclared_parameter_is_refused_at_create_in_the_captured_words(amc):
    sql = (
        "SELECT campaign, SUM(impressions) AS imps FROM dsp_impressions"
        " WHERE site = CUSTOM_PARAMETER('ad_product_type') GROUP BY campaign"
    )

    answer = await amc.save(sql=sql)

    assert answer.json()["details"] == (
        "Was unable to compile workflow wf because it was found to be invalid: Filter operation"
        " filter_operation referenced an undeclared parameter ad_product_type."
    )


async def test_an_undeclared_parameter_can_be_refused_at_run_by_a_switch(amc):
    await amc.http.put("/_simulator/switches", json={"undeclared_parameters": "run"})
    sql = "SELECT COUNT(*) AS n FROM dsp_clicks WHERE site = CUSTOM_PARAMETER('x')"

    shown = await amc.finished(await amc.started(sql))

    assert shown["status"] == "REJECTED"
    assert "undeclared parameter x" in shown["statusReason"]


@pytest.mark.parametrize("workflow_id", ["", "a b", "ä", "x/y"])
async def test_a_workflow_id_has_only_the_allowed_characters(amc, workflow_id):
    assert (await amc.save(workflow_id)).status_code == 400


async def test_workflows_are_listed_in_pages_and_the_last_has_no_token(amc):
    for number in range(3):
        await amc.save(f"wf{number}")

    first = (await amc.get("/workflows?limit=2")).json()
    second = (await amc.get(f"/workflows?limit=2&nextToken={first['nextToken']}")).json()

    assert [w["workflowId"] for w in first["workflows"]] == ["wf0", "wf1"]
    assert [w["workflowId"] for w in second["workflows"]] == ["wf2"]
    assert "nextToken" not in second


async def test_empty_query_values_count_as_not_given(amc):
    await amc.save()

    answer = await amc.get("/workflowExecutions?workflowId=wf&nextToken=&limit=&minCreationTime=")

    assert answer.json() == {"executions": []}


async def test_a_pending_execution_has_the_captured_members(amc):
    await amc.save()
    shown = (await amc.run()).json()

    assert set(shown) == PENDING_MEMBERS
    assert shown["status"] == "PENDING"
    assert shown["timeWindowStart"] == "2026-08-01T00:00:00Z"
    assert shown["timeWindowStartOriginal"] == "2026-08-01T00:00:00"
    assert shown["workflowExecutionTimeoutSeconds"] == 21600
    assert shown["executionCategory"] == "AD_HOC"


async def test_a_named_window_is_hidden_while_pending(amc):
    await amc.save()
    body = {"workflowId": "wf", "timeWindowTimeZone": "America/New_York"}
    shown = (await amc.call("POST", "/workflowExecutions", body)).json()
    finished = await amc.finished(shown["workflowExecutionId"])

    assert "timeWindowStart" not in shown
    assert shown["timeWindowTimeZoneOriginal"] == "America/New_York"
    assert finished["timeWindowStartOriginal"].endswith("T00:00:00")


async def test_a_succeeded_execution_has_the_captured_members(amc):
    shown = await amc.finished(await amc.started())

    assert set(shown) == SUCCEEDED_MEMBERS
    assert shown["executionTime"] == 60
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown["validatedTime"])
    assert shown["outputColumns"] == [
        {"columnType": "DIMENSION", "dataType": "STRING", "name": "campaign"},
        {"columnType": "METRIC", "dataType": "LONG", "name": "imps"},
    ]


async def test_an_instance_without_a_bucket_shows_no_output_uri(amc):
    with_bucket = await amc.finished(await amc.started())
    amc.instance_id = "amcsimnwus2"
    without = await amc.finished(await amc.started())

    assert with_bucket["outputS3URI"].startswith("s3://amc-simnorthwind-us/workflow=wf0/")
    assert without["outputS3URI"] == "N/A"


async def test_an_unknown_execution_is_400_in_amcs_words(amc):
    answer = await amc.get("/workflowExecutions/no-such")

    assert answer.json() == {
        "code": "400",
        "details": "Workflow execution with ID no-such does not exist.",
    }


async def test_an_execution_of_another_instance_is_unknown(amc):
    execution_id = await amc.started()
    amc.instance_id = "amcsimnwus2"

    assert (await amc.get(f"/workflowExecutions/{execution_id}")).status_code == 400


async def test_an_ad_hoc_workflow_gets_a_transient_id(amc):
    body = {"workflow": {"sqlQuery": SQL}, **WEEK}
    shown = (await amc.call("POST", "/workflowExecutions", body)).json()

    assert shown["workflowId"].startswith("transient_")
    assert (await amc.get("/workflows")).json() == {"workflows": []}


BAD_RUNS = [
    {"workflowId": "unknown"},
    {"workflow": {"sqlQuery": SQL}},
    {"timeWindowStart": "2026-08-01"},
    {"timeWindowStart": None},
    {"timeWindowStart": "0001-01-01T00:00:00", "timeWindowTimeZone": "Asia/Tokyo"},
    {"timeWindowEnd": "9999-12-31T00:00:00", "timeWindowTimeZone": "America/Lima"},
    {"timeWindowEnd": "2026-07-01T00:00:00"},
    {"timeWindowTimeZone": "Mars/Olympus"},
    {"timeWindowType": "LAST_WEEK"},
    {"timeWindowType": "ALL"},
    {"workflowExecutionTimeoutSeconds": 899},
    {"workflowExecutionTimeoutSeconds": 86_401},
    {"parameterValues": "x"},
    {"dryRun": "perhaps"},
]


@pytest.mark.parametrize("change", BAD_RUNS, ids=str)
async def test_a_bad_request_to_run_is_400_and_makes_nothing(amc, change):
    await amc.save()

    answer = await amc.run(**change)

    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "details"}
    assert amc.simulator.world.instances["amcsimnwus1"].executions == []


LENIENT_RUNS = [
    {"workflowExecutionTimeoutSeconds": "86400"},
    {"timeWindowStart": "2026-08-01T00:00:00Z"},
    {"ignoreDataGaps": "True"},
    {"outputFormat": "CSV", "useAsyncValidation": True, "unknown": {"a": 1}},
    {"dryRun": None},
]


@pytest.mark.parametrize("change", LENIENT_RUNS, ids=str)
async def test_what_amazon_takes_leniently_is_taken(amc, change):
    await amc.save()

    assert (await amc.run(**change)).status_code == 200


async def test_garbage_behind_the_object_and_a_strange_content_type_do_no_harm(amc):
    body = f'{{"workflowId": "wf", "sqlQuery": "{SQL}"}}  trailing'
    answer = await amc.http.post(
        "/amc/reporting/amcsimnwus1/workflows", content=body, headers={"content-type": "text/odd"}
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b"null", b"[" * 100_000, b'{"a": NaN}', b'{"a": "\\ud800"}']
)
async def test_a_body_that_is_no_object_is_400(amc, body):
    answer = await amc.http.post("/amc/reporting/amcsimnwus1/workflows", content=body)

    assert answer.status_code == 400


async def test_cancelling_answers_an_empty_object_and_hides_the_execution(amc):
    execution_id = await amc.started()
    path = f"/workflowExecutions/{execution_id}"

    assert (await amc.call("PUT", path, {"status": "CANCELLED"})).json() == {}

    assert (await amc.look(execution_id))["status"] == "CANCELLED"
    hidden = (await amc.get("/workflowExecutions?workflowId=wf0")).json()
    shown = (await amc.get("/workflowExecutions?workflowId=wf0&includeCancelled=True")).json()
    assert (len(hidden["executions"]), len(shown["executions"])) == (0, 1)


async def test_a_finished_execution_cannot_be_cancelled(amc):
    execution_id = await amc.started()
    await amc.finished(execution_id)

    path = f"/workflowExecutions/{execution_id}"
    assert (await amc.call("PUT", path, {"status": "CANCELLED"})).status_code == 400


async def test_a_list_needs_a_workflow_or_a_time(amc):
    assert (await amc.get("/workflowExecutions")).status_code == 400


async def test_executions_are_listed_newest_first_in_stable_pages(amc):
    await amc.save()
    made = [(await amc.run()).json()["workflowExecutionId"] for _ in range(5)]
    first = (await amc.get("/workflowExecutions?workflowId=wf&limit=2")).json()
    await amc.run()

    token = first["nextToken"]
    second = (await amc.get(f"/workflowExecutions?workflowId=wf&limit=2&nextToken={token}")).json()
    token = second["nextToken"]
    third = (await amc.get(f"/workflowExecutions?workflowId=wf&limit=2&nextToken={token}")).json()

    pages = [[e["workflowExecutionId"] for e in p["executions"]] for p in (first, second, third)]
    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]
    assert "nextToken" not in third


async def test_executions_can_be_listed_oldest_first(amc):
    await amc.save()
    made = [(await amc.run()).json()["workflowExecutionId"] for _ in range(3)]
    path = "/workflowExecutions?workflowId=wf&sortAscending=TRUE&limit=2"
    first = (await amc.get(path)).json()
    second = (await amc.get(f"{path}&nextToken={first['nextToken']}")).json()

    found = [e["workflowExecutionId"] for e in first["executions"] + second["executions"]]
    assert found == made


async def test_a_list_can_be_cut_by_creation_time_in_a_zone(amc):
    await amc.save()
    await amc.run()
    amc.clock.pass_(10)
    late = (await amc.run()).json()

    query = f"minCreationTime={late['createTime'].removesuffix('Z')}"
    by_utc = (await amc.get(f"/workflowExecutions?{query}")).json()
    by_zone = (await amc.get(f"/workflowExecutions?{query}&timeZone=Asia/Tokyo")).json()

    ids = [e["workflowExecutionId"] for e in by_utc["executions"]]
    assert ids == [late["workflowExecutionId"]]
    assert len(by_zone["executions"]) == 2


async def test_the_sql_is_listed_only_when_asked_for(amc):
    await amc.started()
    path = "/workflowExecutions?workflowId=wf0"

    without = (await amc.get(path)).json()["executions"][0]
    with_sql = (await amc.get(f"{path}&includeWorkflow=True")).json()["executions"][0]

    assert "sqlQuery" not in without
    assert with_sql["sqlQuery"] == SQL


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "nextToken=%21", "nextToken=eA=="]
)
async def test_a_bad_page_is_400(amc, query):
    answer = await amc.get(f"/workflowExecutions?workflowId=wf&{query}")

    assert answer.status_code == 400


async def test_refuse_mode_answers_429_above_the_concurrency_limit(amc):
    switches = {"concurrency_mode": "refuse", "max_concurrent_executions": 2}
    await amc.http.put("/_simulator/switches", json=switches)
    await amc.save()

    statuses = [(await amc.run()).status_code for _ in range(3)]

    stats = (await amc.http.get("/_simulator/stats")).json()["instances"]["amcsimnwus1"]
    assert statuses == [200, 200, 429]
    assert stats["throttled"] == {"rate": 0, "concurrency": 1, "forced": 0}


async def test_a_sandbox_rejects_runs_on_real_data(amc):
    world = {
        "instances": [
            {"instanceId": "amcbox", "accountId": "ENTITY1SIMNORTHWIND", "type": "SANDBOX"}
        ]
    }
    await amc.http.post("/_simulator/world", json=world)
    amc.instance_id = "amcbox"

    real = await amc.finished(await amc.started())
    synthetic = await amc.finished(await amc.started(requireSyntheticData=True))

    assert (real["status"], synthetic["status"]) == ("REJECTED", "SUCCEEDED")


async def test_a_parameter_without_value_or_default_is_refused(amc):
    sql = "SELECT COUNT(*) AS n FROM dsp_clicks WHERE site = CUSTOM_PARAMETER('site')"
    await amc.save(sql=sql, inputParameters=[{"name": "site", "dataType": "STRING"}])

    without = await amc.run()
    given = await amc.run(parameterValues={"site": "a.example"})

    assert without.status_code == 400
    assert given.json()["parameterValues"] == {"site": "a.example"}


async def test_data_sources_come_from_the_catalogue(amc):
    listed = (await amc.get("/dataSources?limit=100")).json()["dataSources"]
    one = (await amc.get("/dataSources/dsp_clicks")).json()

    assert "sponsored_ads_traffic" in {source["dataSourceId"] for source in listed}
    assert {"columnType": "METRIC", "dataType": "LONG", "name": "clicks"} in one["columns"]
    assert (await amc.get("/dataSources/nothing")).status_code == 404
