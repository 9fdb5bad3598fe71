"""Executions over HTTP: asked for, listed, followed, cancelled, retried."""

import pytest

from services.api.paging import Page
from services.api.schemas.executions import ExecutionOut
from tests.integration.api.conftest import SQL_WITH_PARAMETERS, Api

UNKNOWN = "ex_01900000000070008000000000000000"


async def test_a_request_is_accepted_with_its_place_and_may_be_followed(api: Api):
    workflow, instance = await api.workflow(), await api.instance()

    response = await api.post(
        f"/api/v1/workflows/{workflow}/executions",
        {
            "instance_id": instance,
            "time_window": {
                "start": "2025-07-01T00:00:00Z",
                "end": "2025-07-08T00:00:00Z",
                "time_zone": "Europe/Berlin",
            },
            "output_format": "PARQUET",
            "priority": 9,
            "deadline_seconds": 600,
            "queue_timeout_seconds": 30,
            "tags": {"team": "search"},
        },
        **{"X-Request-ID": "req-7"},
    )

    assert response.status_code == 202
    assert response.json()["status"] == "queued"
    assert response.headers["Location"] == f"/api/v1/executions/{response.json()['id']}"
    assert response.headers["Retry-After"]
    shown = (await api.get(response.headers["Location"])).json()
    assert shown["time_window"] == {
        "type": "EXPLICIT",
        "start": "2025-07-01T02:00:00",
        "end": "2025-07-08T02:00:00",
        "time_zone": "Europe/Berlin",
    }
    expected = {
        "workflow_id": workflow,
        "workflow_name": "w",
        "instance_id": instance,
        "priority": 9,
        "output_format": "PARQUET",
        "deadline_seconds": 600,
        "queue_timeout_seconds": 30,
        "tags": {"team": "search"},
        "requested_by": "tester",
        "request_id": "req-7",
        "error": None,
        "retry_of": None,
    }
    assert {name: shown[name] for name in expected} == expected
    assert len(api.hints.instances) == 1


async def test_defaults_are_csv_priority_five_and_a_week_that_ended_two_weeks_ago(api: Api):
    shown = (await api.get(f"/api/v1/executions/{await api.one()}")).json()

    assert (shown["output_format"], shown["priority"]) == ("CSV", 5)
    assert shown["deadline_seconds"] == 21_600
    assert shown["time_window"]["type"] == "EXPLICIT"
    assert shown["time_window"]["start"].endswith("T00:00:00")


async def test_ids_are_accepted_with_prefix_and_as_uuids(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    bare = workflow.removeprefix("wf_")
    dashed = f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}"

    execution = await api.execution(dashed, instance)

    assert (await api.get(f"/api/v1/executions/{execution.removeprefix('ex_')}")).json()[
        "id"
    ] == execution


@pytest.mark.parametrize(
    ("body", "status", "loc"),
    [
        ({}, 422, ["instance_id"]),
        ({"output_format": "XML"}, 400, ["output_format"]),
        ({"output_format": 5}, 400, ["output_format"]),
        ({"priority": 10}, 422, ["priority"]),
        ({"deadline_seconds": 59}, 422, ["deadline_seconds"]),
        ({"deadline_seconds": 86_401}, 422, ["deadline_seconds"]),
        ({"queue_timeout_seconds": 0}, 422, ["queue_timeout_seconds"]),
        ({"parameters": {"x": 1}}, 422, ["parameters", "x"]),
        ({"parameters": {"x": "1"}}, 422, ["parameters", "x"]),
        ({"tags": {str(n): "" for n in range(21)}}, 422, ["tags"]),
        ({"time_window": {"start": "2025-07-01"}}, 422, ["time_window", "start"]),
        ({"time_window": {"type": "NEVER"}}, 422, ["time_window", "type"]),
        ({"time_window": {"time_zone": "Mars"}}, 422, ["time_window", "time_zone"]),
        ({"state": "completed"}, 422, ["state"]),
        ({"tags": {"a": "\x00"}}, 422, ["tags", "a"]),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_stored(
    api: Api, body: dict[str, object], status: int, loc: list[str]
):
    workflow, instance = await api.workflow(), await api.instance()
    if body:
        body = {"instance_id": instance, **body}

    response = await api.post(f"/api/v1/workflows/{workflow}/executions", body)

    problem = response.json()
    assert response.status_code == status, problem
    assert problem["errors"][0]["loc"] == loc
    assert await api.count() == 0


async def test_a_missing_parameter_is_named(api: Api):
    workflow = await api.workflow(SQL_WITH_PARAMETERS)

    response = await api.post(
        f"/api/v1/workflows/{workflow}/executions",
        {"instance_id": await api.instance(), "parameters": {"brand": "x"}},
    )

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["parameters", "campaign"]


async def test_parameters_with_defaults_may_be_left_out(api: Api):
    workflow = await api.workflow(
        SQL_WITH_PARAMETERS,
        parameters=[
            {"name": "brand", "default_value": "b"},
            {"name": "campaign", "default_value": "c"},
        ],
    )

    execution = await api.execution(workflow, await api.instance(), parameters={"brand": "x"})

    assert (await api.get(f"/api/v1/executions/{execution}")).json()["parameters"] == {"brand": "x"}


@pytest.mark.parametrize(
    "path", ["/api/v1/workflows/wf_nothing/executions", f"/api/v1/workflows/{UNKNOWN}/executions"]
)
async def test_an_unknown_workflow_is_404(api: Api, path: str):
    response = await api.post(path, {"instance_id": await api.instance()})

    assert response.status_code == 404
    assert await api.count() == 0


async def test_an_unknown_instance_is_404(api: Api):
    response = await api.post(
        f"/api/v1/workflows/{await api.workflow()}/executions", {"instance_id": "amcnone"}
    )

    assert response.status_code == 404
    assert response.json()["errors"][0]["loc"] == ["instance_id"]


async def test_lists_filter_by_status_instance_and_workflow(api: Api):
    first, second = await api.instance("amca"), await api.instance("amcb")
    one, other = await api.workflow(), await api.workflow()
    a = await api.execution(one, first)
    b = await api.execution(other, first)
    c = await api.execution(one, second)
    await api.put_in(b, "cancelled")

    async def listed(**params: str) -> set[str]:
        page = (await api.get("/api/v1/executions", **params)).json()
        return {item["id"] for item in page["items"]}

    assert await listed() == {a, b, c}
    assert await listed(status="queued") == {a, c}
    assert await listed(status="queued,cancelled", instance_id=first) == {a, b}
    assert await listed(workflow_id=one, instance_id=second) == {c}
    assert await listed(workflow_id=other, status="queued") == set()
    assert await listed(instance_id="amcnone") == set()


async def test_a_list_shows_what_the_execution_itself_shows_after_every_change(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    execution = await api.execution(workflow, instance, tags={"a": "b"})

    async def listed() -> list[dict[str, object]]:
        return (await api.get("/api/v1/executions")).json()["items"]

    async def read() -> list[dict[str, object]]:
        shown = (await api.get(f"/api/v1/executions/{execution}")).json()
        del shown["waiting_for"]
        return [shown]

    assert await listed() == await read()
    for state in ("submitting", "pending", "running", "downloading", "completed"):
        await api.put_in(execution, state)
        assert await listed() == await read()
    await api.http.patch(f"/api/v1/workflows/{workflow}", json={"name": "other"})
    assert await listed() == await read()
    assert (await listed())[0]["workflow_name"] == "other"


async def test_an_unknown_status_word_is_422(api: Api):
    response = await api.get("/api/v1/executions", status="done")

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["query", "status"]


@pytest.mark.parametrize("params", [{}, {"status": "queued,running"}, {"instance_id": "amcone"}])
async def test_a_cursor_walk_has_no_gaps_and_no_repeats_while_rows_are_added(
    api: Api, params: dict[str, str]
):
    workflow, instance = await api.workflow(), await api.instance()
    items = [{"workflow_id": workflow, "instance_id": instance} for _ in range(25)]
    before = await api.made("/api/v1/executions/bulk", {"items": items})
    seen: list[str] = []

    page = (await api.get("/api/v1/executions", limit=7, **params)).json()
    while True:
        seen += [item["id"] for item in page["items"]]
        if not page["has_more"]:
            break
        await api.execution(workflow, instance)
        page = (
            await api.get("/api/v1/executions", limit=7, cursor=page["next_cursor"], **params)
        ).json()

    assert page["next_cursor"] is None
    assert sorted(seen) == sorted(item["id"] for item in before["items"])


async def test_the_next_page_is_in_the_link_header(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    for _ in range(2):
        await api.execution(workflow, instance)

    first = await api.get("/api/v1/executions", limit=1, status="queued")
    target = first.headers["Link"].removeprefix("<").split(">")[0]
    second = await api.get(target)

    assert first.json()["items"][0]["id"] != second.json()["items"][0]["id"]
    assert "Link" not in second.headers


@pytest.mark.parametrize("cursor", ["x", "e30", "WyJ3b3JrZmxvd3MiLCAiMCJd", "é", "[" * 50])
async def test_a_cursor_that_is_not_ours_is_400(api: Api, cursor: str):
    response = await api.get("/api/v1/executions", cursor=cursor)

    assert (response.status_code, response.json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize("limit", [0, 201, "many"])
async def test_a_page_has_one_to_200_items(api: Api, limit: str):
    assert (await api.get("/api/v1/executions", limit=limit)).status_code == 422


@pytest.mark.parametrize("params", [{}, {"limit": 2}, {"limit": 200}])
async def test_a_plain_request_is_answered_as_any_other(api: Api, params: dict[str, int]):
    workflow, instance = await api.workflow(), await api.instance()
    for _ in range(3):
        await api.execution(workflow, instance)

    plain = await api.get("/api/v1/executions", **params)
    other = await api.get("/api/v1/executions", **params, unknown="x")

    assert plain.content == other.content
    assert Page[ExecutionOut].model_validate_json(plain.content).model_dump_json() == plain.text
    assert plain.headers["content-type"] == other.headers["content-type"] == "application/json"
    assert plain.headers.get("Link", "") == other.headers.get("Link", "").replace("&unknown=x", "")


async def test_status_and_timeline_follow_every_move(api: Api):
    execution = await api.one()
    await api.put_in(execution, "submitting", "pending", "running", "failed")

    status = (await api.get(f"/api/v1/executions/{execution}/status")).json()
    timeline = (await api.get(f"/api/v1/executions/{execution}/timeline")).json()

    assert status["status"] == "failed"
    assert status["error"] == {"code": "query_rejected", "message": "No.", "hint": "Do."}
    assert [entry["to_status"] for entry in timeline["items"]] == [
        "queued",
        "submitting",
        "pending",
        "running",
        "failed",
    ]


@pytest.mark.parametrize("tail", ["", "/status", "/timeline", "/results", "/download"])
async def test_an_unknown_execution_is_404_everywhere(api: Api, tail: str):
    for wrong in (UNKNOWN, "nonsense", "wf_1"):
        response = await api.get(f"/api/v1/executions/{wrong}{tail}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_what_a_queued_execution_waits_for_is_said(api: Api):
    workflow, instance = await api.workflow(), await api.instance(max_concurrent_executions=1)
    execution = await api.execution(workflow, instance)

    async def waits_for() -> str:
        return (await api.get(f"/api/v1/executions/{execution}")).json()["waiting_for"]

    assert await waits_for() == "admission"
    await api.put_in(await api.execution(workflow, instance), "submitting")
    assert await waits_for() == "slots"
    await api.http.patch(f"/api/v1/instances/{instance}", json={"daily_execution_quota": 1})
    assert await waits_for() == "quota"
    await api.post(f"/api/v1/instances/{instance}/pause", {"reason": "x"})
    assert await waits_for() == "paused"
    await api.database.execute("update credentials set status = 'broken', broken_reason = 'x'")
    assert await waits_for() == "credential"


async def test_a_queued_execution_is_cancelled_at_once(api: Api):
    execution = await api.one()

    response = await api.post(f"/api/v1/executions/{execution}/cancel")

    assert (response.status_code, response.json()["status"]) == (202, "cancelled")
    again = await api.post(f"/api/v1/executions/{execution}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "already_finished")


async def test_one_at_amc_is_only_asked_to_stop(api: Api):
    execution = await api.one()
    await api.put_in(execution, "submitting", "pending", "running")

    response = await api.post(f"/api/v1/executions/{execution}/cancel")

    assert (response.status_code, response.json()["status"]) == (202, "running")
    shown = (await api.get(f"/api/v1/executions/{execution}")).json()
    assert shown["cancel_requested_at"]
    assert api.hints.wakes


async def test_one_that_amc_has_finished_cannot_be_cancelled(api: Api):
    execution = await api.one()
    await api.put_in(execution, "submitting", "pending", "running", "downloading")

    response = await api.post(f"/api/v1/executions/{execution}/cancel")

    assert (response.status_code, response.json()["code"]) == (409, "finished_at_amc")


@pytest.mark.parametrize("verb", ["cancel", "retry"])
async def test_only_what_exists_is_cancelled_or_retried(api: Api, verb: str):
    assert (await api.post(f"/api/v1/executions/{UNKNOWN}/{verb}")).status_code == 404


async def test_a_retry_repeats_what_the_original_ran(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    original = await api.execution(workflow, instance, priority=7, tags={"a": "b"})
    await api.put_in(original, "cancelled")
    before = (await api.get(f"/api/v1/executions/{original}")).json()
    await api.http.patch(f"/api/v1/workflows/{workflow}", json={"sql_query": "SELECT 2 FROM t"})

    response = await api.post(f"/api/v1/executions/{original}/retry")

    assert response.status_code == 202
    after = (await api.get(response.headers["Location"])).json()
    assert after["retry_of"] == original
    for same in ("amc_workflow_id", "time_window", "priority", "tags", "parameters"):
        assert after[same] == before[same]


async def test_what_has_not_ended_is_not_retried(api: Api):
    response = await api.post(f"/api/v1/executions/{await api.one()}/retry")

    assert (response.status_code, response.json()["code"]) == (409, "not_finished")


async def test_nothing_new_runs_once_the_workflow_is_deleted(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    old = await api.execution(workflow, instance)
    await api.put_in(old, "cancelled")

    assert (await api.http.delete(f"/api/v1/workflows/{workflow}")).status_code == 204

    body = {"instance_id": instance}
    path = f"/api/v1/workflows/{workflow}/executions"
    assert (await api.post(path, body)).status_code == 404
    assert (await api.post(f"/api/v1/executions/{old}/retry")).status_code == 404
    assert (await api.get(f"/api/v1/executions/{old}")).status_code == 200
