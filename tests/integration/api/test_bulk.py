"""Many executions in one request: all or none, quickly, problems by item."""

import time

from tests.integration.api.conftest import SQL_WITH_PARAMETERS, Api

BULK = "/api/v1/executions/bulk"


async def test_ten_thousand_are_accepted_within_seconds(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    items = [{"workflow_id": workflow, "instance_id": instance}] * 10_000
    started = time.perf_counter()

    response = await api.post(BULK, {"items": items})

    assert time.perf_counter() - started < 8
    accepted = response.json()["items"]
    assert response.status_code == 202
    assert [item["index"] for item in accepted] == list(range(10_000))
    assert {item["status"] for item in accepted} == {"queued"}
    assert await api.count() == len({item["id"] for item in accepted}) == 10_000
    assert len(api.hints.instances) == 1


async def test_one_wrong_item_refuses_all_and_is_named(api: Api):
    workflow, instance = await api.workflow(SQL_WITH_PARAMETERS), await api.instance()
    good = {
        "workflow_id": workflow,
        "instance_id": instance,
        "parameters": {"brand": "a", "campaign": "b"},
    }
    bad = {**good, "parameters": {"brand": "a", "campaign": "b", "x": "y"}}
    stranger = {**good, "instance_id": "amcnone"}

    response = await api.post(BULK, {"items": [good, good, good, bad, stranger]})

    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["errors"]] == [
        ["items", 3, "parameters", "x"],
        ["items", 4, "instance_id"],
    ]
    assert await api.count() == 0


async def test_a_malformed_item_is_named_by_its_index(api: Api):
    item = {"workflow_id": "wf_1", "instance_id": "amcone"}

    response = await api.post(BULK, {"items": [item, {**item, "priority": "high"}]})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["items", 1, "priority"]


async def test_only_unknown_names_make_it_404(api: Api):
    item = {"workflow_id": await api.workflow(), "instance_id": "amcnone"}

    response = await api.post(BULK, {"items": [item]})

    assert response.status_code == 404
    assert response.json()["errors"][0]["loc"] == ["items", 0, "instance_id"]


async def test_a_wrong_output_format_is_400_in_bulk_too(api: Api):
    item = {"workflow_id": "wf_1", "instance_id": "amcone", "output_format": "JSON"}

    response = await api.post(BULK, {"items": [item]})

    assert (response.status_code, response.json()["code"]) == (400, "invalid_output_format")


async def test_neither_none_nor_more_than_ten_thousand_are_taken(api: Api):
    item = {"workflow_id": "wf_1", "instance_id": "amcone"}

    for items in ([], [item] * 10_001):
        response = await api.post(BULK, {"items": items})
        assert response.status_code == 422
        assert response.json()["errors"][0]["loc"] == ["items"]


async def test_a_hundred_problems_are_enough(api: Api):
    item = {"workflow_id": "wf_1", "instance_id": "amcone", "x": 1}

    response = await api.post(BULK, {"items": [item] * 500})

    assert len(response.json()["errors"]) == 100
    assert "499 more problems" in response.json()["detail"]
