"""Sections 1.1 to 1.3: headers, media types, paths, lists."""

import json

import pytest

from tests.unit.services.simulator.contract.conftest import SQL

VND = "application/vnd.amc{}.v1+json"
ADS = "Amazon-Advertising-API-"


pytestmark = pytest.mark.usefixtures("unlimited")


@pytest.fixture
def run(run):
    """The execution as the create answers it."""

    async def running(**members) -> dict:
        answer = await run(**members)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return running


@pytest.mark.parametrize("suffix", ["", "-eu", "-fe"])
async def test_s1_1_hosts_do_not_matter(client, base, suffix):
    headers = {"Host": f"advertising-api{suffix}.amazon.com"}

    assert (await client.get(f"{base}/workflows", headers=headers)).status_code == 200


async def test_s1_1_base_path_names_the_instance(client):
    assert (await client.get("/amc/reporting/amcsimnwus2/workflows")).status_code == 200
    assert (await client.get("/amc/reporting/amcsimthde1/workflows")).status_code == 403


@pytest.mark.parametrize("path", ["/amc/accounts/", "/amc/reporting/amcsimnwus1/workflows/"])
async def test_s1_1_base_path_may_end_with_a_slash_and_is_not_redirected(client, path):
    assert (await client.get(path)).status_code == 200


async def test_s1_1_authorization_is_always_needed(client, base):
    del client.headers["authorization"]

    for path in (f"{base}/workflows", "/amc/accounts", "/amc/instances", "/v2/profiles"):
        assert (await client.get(path)).status_code == 401


async def test_s1_1_client_id_is_always_needed(client, base):
    name = f"{ADS}ClientId"
    value = client.headers.pop(name)

    without = await client.get(f"{base}/workflows")
    spelled = await client.get(f"{base}/workflows", headers={name.upper(): value})

    assert (without.status_code, spelled.status_code) == (401, 200)


@pytest.mark.parametrize("name", [f"{ADS}AdvertiserId", f"{ADS}MarketplaceId"])
async def test_s1_1_account_headers_are_needed_but_for_accounts(client, base, name):
    del client.headers[name]

    paths = (f"{base}/workflows", "/amc/instances", "/amc/instances/amcsimnwus1", "/amc/accounts")
    assert [(await client.get(path)).status_code for path in paths] == [400, 400, 400, 200]


async def test_s1_1_optional_headers_change_nothing(client, base):
    headers = {f"{ADS}Scope": "123", "Amazon-Ads-AccountId": "x"}

    assert (await client.get(f"{base}/schedules", headers=headers)).status_code == 200


@pytest.mark.parametrize("kind", [VND.format("schedules"), "application/json", "text/plain", ""])
async def test_s1_1_request_media_types_are_all_taken(client, base, kind):
    content = json.dumps({"workflowId": "wf", "sqlQuery": SQL})
    headers = {"Content-Type": kind, "Accept": kind}

    answer = await client.post(f"{base}/workflows", content=content, headers=headers)

    assert answer.status_code == 200


async def test_s1_1_response_media_types_are_those_of_the_captures(client, base, save, run):
    created = await save()
    await run()
    kinds = {
        path: (await client.get(f"{base}/{path}")).headers["content-type"]
        for path in ("dataSources", "workflows", "schedules", "workflowExecutions?workflowId=wf")
    }

    assert created.headers["content-type"] == "application/octet-stream"
    assert (created.headers["content-length"], created.content) == ("2", b"{}")
    assert list(kinds.values()) == [
        VND.format(kind) for kind in ("datasources", "workflows", "schedules", "workflowexecutions")
    ]


async def test_s1_1_response_headers_are_those_of_the_captures(client, base):
    headers = (await client.get(f"{base}/workflows")).headers

    assert headers["server"] == "Server"
    assert headers["x-amz-rid"] == headers["x-amz-request-id"]
    assert len(headers["x-amz-rid"]) == 20
    assert headers["x-amz-rid"].isalnum()
    assert headers["x-amz-rid"].isupper()
    assert headers["vary"] == "Content-Type,Accept-Encoding,User-Agent"
    assert headers["strict-transport-security"].startswith("max-age=47474747")
    assert not [name for name in headers if "ratelimit" in name]


async def test_s1_1_lenient_json_drops_the_unknown_and_what_follows(client, base):
    content = json.dumps({"workflowId": "wf", "sqlQuery": SQL, "column_type": 1}) + " }, garbage"
    answer = await client.post(f"{base}/workflows", content=content)

    assert answer.status_code == 200
    assert (await client.get(f"{base}/workflows/wf")).json() == {
        "sqlQuery": SQL,
        "workflowId": "wf",
    }


async def test_s1_2_list_data_sources_and_one_of_them(client, base):
    listed = (await client.get(f"{base}/dataSources")).json()
    one = await client.get(f"{base}/dataSources/dsp_clicks")

    assert set(listed) <= {"dataSources", "nextToken"}
    assert one.json() in listed["dataSources"]


async def test_s1_2_list_workflows_is_a_list_of_them(client, base, save):
    await save()

    answer = (await client.get(f"{base}/workflows")).json()

    assert answer == {"workflows": [{"sqlQuery": SQL, "workflowId": "wf"}]}


async def test_s1_2_create_workflow_answers_an_empty_object(save):
    answer = await save()

    assert (answer.status_code, answer.json()) == (200, {})


async def test_s1_2_get_workflow_is_flat(client, base, save):
    await save()

    assert (await client.get(f"{base}/workflows/wf")).json()["workflowId"] == "wf"


async def test_s1_2_update_workflow_answers_an_empty_object(client, base, save):
    await save()
    answer = await client.put(f"{base}/workflows/wf", json={"sqlQuery": SQL})

    assert (answer.status_code, answer.json()) == (200, {})


async def test_s1_2_delete_workflow_answers_an_empty_object(client, base, save):
    await save()
    answer = await client.delete(f"{base}/workflows/wf")

    assert (answer.status_code, answer.json()) == (200, {})
    assert (await client.get(f"{base}/workflows/wf")).status_code == 400


async def test_s1_2_list_executions_has_the_key_executions(client, base, run):
    await run()

    answer = (await client.get(f"{base}/workflowExecutions?workflowId=wf")).json()

    assert set(answer) == {"executions"}


async def test_s1_2_create_execution_is_flat(run):
    assert "workflowExecutionId" in await run()


async def test_s1_2_get_execution_is_flat(client, base, run):
    made = await run()

    path = f"{base}/workflowExecutions/{made['workflowExecutionId']}"
    assert (await client.get(path)).json() == made


async def test_s1_2_update_execution_answers_an_empty_object(client, base, run):
    path = f"{base}/workflowExecutions/{(await run())['workflowExecutionId']}"
    answer = await client.put(path, json={"disableAggregationControls": True})

    assert (answer.status_code, answer.json()) == (200, {})
    assert (await client.get(path)).json()["disableAggregationControls"] is True


@pytest.mark.parametrize(
    ("mode", "status", "after"), [("cancel", 200, 200), ("remove", 200, 400), ("refuse", 405, 200)]
)
async def test_s1_2_delete_execution_follows_its_switch(client, base, run, mode, status, after):
    await client.put("/_simulator/switches", json={"delete_execution": mode})
    path = f"{base}/workflowExecutions/{(await run())['workflowExecutionId']}"

    assert (await client.delete(path)).status_code == status
    assert (await client.get(path)).status_code == after
    listed = await client.get(f"{base}/workflowExecutions?workflowId=wf&includeCancelled=true")
    assert len(listed.json()["executions"]) == (0 if mode == "remove" else 1)


async def test_s1_2_download_urls_are_two_lists(client, base, run, later):
    path = f"{base}/workflowExecutions/{(await run())['workflowExecutionId']}"
    later(1000)

    answer = await client.get(f"{path}/downloadUrls")

    assert set(answer.json()) == {"downloadUrls", "metadataDownloadUrls"}
    assert answer.headers["content-type"] == VND.format("workflowexecutions")
    assert all(isinstance(url, str) for urls in answer.json().values() for url in urls)


async def test_s1_2_schedules_have_five_operations(client, base, save):
    await save()
    body = {"scheduleId": "s", "workflowId": "wf", "aggregationPeriod": "Daily"}
    created = await client.post(f"{base}/schedules", json=body)
    got = (await client.get(f"{base}/schedules/s")).json()
    listed = (await client.get(f"{base}/schedules")).json()
    put = await client.put(f"{base}/schedules/s", json={**body, "scheduleEnabled": "False"})
    changed = (await client.get(f"{base}/schedules/s")).json()
    deleted = await client.delete(f"{base}/schedules/s")

    assert [created.json(), put.json(), deleted.json()] == [{}, {}, {}]
    assert got.items() >= body.items()
    assert listed == {"schedules": [got]}
    assert changed["scheduleEnabled"] is False
    assert (await client.get(f"{base}/schedules/s")).status_code == 404


@pytest.mark.parametrize("path", ["execute", "executions", "executions/1/status", "results"])
async def test_s1_2_no_other_paths_exist(client, base, save, path):
    await save()

    assert (await client.post(f"{base}/workflows/wf/{path}", json={})).status_code == 404
    assert (await client.get(f"{base}/workflowExecutions/x/{path}")).status_code == 404


@pytest.mark.parametrize(("limit", "status"), [("100", 200), ("101", 400), ("0", 400), ("x", 400)])
async def test_s1_3_limit_is_at_most_100(client, base, limit, status):
    assert (await client.get(f"{base}/workflows?limit={limit}")).status_code == status


async def test_s1_3_limit_is_100_if_not_given(client, base, save):
    for number in range(101):
        await save(f"wf{number:03d}")

    page = (await client.get(f"{base}/workflows")).json()

    assert len(page["workflows"]) == 100
    assert page["nextToken"]


async def test_s1_3_empty_values_count_as_not_given(client, base, run):
    await run()
    query = "workflowId=wf&nextToken=&limit=&minCreationTime=&maxCreationTime=&timeZone="

    answer = await client.get(f"{base}/workflowExecutions?{query}")

    assert len(answer.json()["executions"]) == 1


async def test_s1_3_last_page_has_no_next_token(client, base, save):
    for name in ("a", "b"):
        await save(name)
    first = (await client.get(f"{base}/workflows?limit=1")).json()
    last = (await client.get(f"{base}/workflows?limit=1&nextToken={first['nextToken']}")).json()

    assert "nextToken" not in last


async def test_s1_3_last_page_is_reached_by_a_token_of_this_list_as_it_was_given(
    client, base, save
):
    for name in ("a", "b"):
        await save(name)
    token = (await client.get(f"{base}/workflows?limit=1")).json()["nextToken"]
    wrong = [
        f"{base}/workflows?nextToken={token[:-5]}A{token[-4:]}",
        f"{base}/workflows?nextToken={token[:-1]}",
        f"{base}/workflows?nextToken={token}!",
        f"{base}/dataSources?nextToken={token}",
        f"/amc/reporting/amcsimnwus2/workflows?nextToken={token}",
    ]

    answers = [await client.get(path) for path in wrong]

    assert [answer.status_code for answer in answers] == [400] * 5
    assert {answer.json()["details"] for answer in answers} == {"Invalid nextToken."}


async def test_s1_3_last_page_is_out_of_reach_for_an_old_token_by_a_switch(
    client, base, save, later
):
    await client.put("/_simulator/switches", json={"next_token_seconds": 60})
    for name in ("a", "b"):
        await save(name)
    token = (await client.get(f"{base}/workflows?limit=1")).json()["nextToken"]
    path = f"{base}/workflows?limit=1&nextToken={token}"

    later(60)
    in_time = await client.get(path)
    later(1)
    too_late = await client.get(path)

    assert (in_time.status_code, too_late.status_code) == (200, 400)
    assert too_late.json()["details"] == "The nextToken has expired."


async def test_s1_3_list_needs_a_filter(client, base):
    refused = await client.get(f"{base}/workflowExecutions")
    await client.put("/_simulator/switches", json={"list_filter_status": 422})
    otherwise = await client.get(f"{base}/workflowExecutions")

    assert (refused.status_code, otherwise.status_code) == (400, 422)


async def test_s1_3_creation_times_are_read_in_the_zone(client, base, run):
    made = (await run())["createTime"].removesuffix("Z")

    async def count(query: str) -> int:
        answer = await client.get(f"{base}/workflowExecutions?{query}")
        return len(answer.json()["executions"])

    assert await count(f"minCreationTime={made}") == 1
    assert await count(f"minCreationTime={made}&timeZone=America/New_York") == 0
    assert await count(f"minCreationTime={made}&maxCreationTime={made}") == 1
    assert (
        await count("minCreationTime=2020-01-01T00:00:00&maxCreationTime=2021-01-01T00:00:00") == 0
    )


async def test_s1_3_newest_first_unless_ascending(client, base, run, later):
    first = await run()
    later(1)
    second = await run()
    ids = [first["workflowExecutionId"], second["workflowExecutionId"]]

    async def listed(query: str) -> list[str]:
        answer = await client.get(f"{base}/workflowExecutions?workflowId=wf{query}")
        return [execution["workflowExecutionId"] for execution in answer.json()["executions"]]

    assert await listed("") == ids[::-1]
    assert await listed("&sortAscending=true") == ids


async def test_s1_3_cancelled_hidden_unless_included(client, base, run):
    path = f"{base}/workflowExecutions/{(await run())['workflowExecutionId']}"
    await client.put(path, json={"status": "CANCELLED"})

    async def count(query: str) -> int:
        answer = await client.get(f"{base}/workflowExecutions?workflowId=wf{query}")
        return len(answer.json()["executions"])

    assert (await count(""), await count("&includeCancelled=true")) == (0, 1)


async def test_s1_3_include_workflow_shows_the_sql(client, base, run):
    made = await run()
    path = f"{base}/workflowExecutions?workflowId=wf"
    (plain,) = (await client.get(path)).json()["executions"]
    (full,) = (await client.get(f"{path}&includeWorkflow=true")).json()["executions"]

    assert "sqlQuery" not in plain
    assert full["sqlQuery"] == SQL
    item = f"{base}/workflowExecutions/{made['workflowExecutionId']}?includeWorkflow="
    assert "sqlQuery" not in (await client.get(item + "False")).json()
    assert (await client.get(item + "True")).json()["sqlQuery"] == SQL


async def test_s1_3_no_status_filter_is_known(client, base, run):
    await run()

    answer = await client.get(f"{base}/workflowExecutions?workflowId=wf&status=FAILED")

    assert len(answer.json()["executions"]) == 1


@pytest.mark.parametrize("value", ["False", "TRUE", "true", "false"])
async def test_s1_3_booleans_are_read_in_any_case(client, base, value):
    path = f"{base}/workflowExecutions?workflowId=wf&includeWorkflow={value}"

    assert (await client.get(path)).status_code == 200


async def test_s1_3_schedule_marketplace_is_optional(client, base, save):
    await save()
    body = {"scheduleId": "s", "workflowId": "wf", "aggregationPeriod": "Daily"}
    await client.post(f"{base}/schedules", json={**body, "marketplaceId": "ATVPDKIKX0DER"})
    path = f"{base}/schedules/s?marketplaceId=ATVPDKIKX0DER"

    assert (await client.get(path)).status_code == 200
    assert (await client.delete(path)).status_code == 200
