"""The same key gives the same answer, whatever comes at once."""

import asyncio

import pytest

from tests.integration.api.conftest import SQL, Api

KEY = {"Idempotency-Key": "key-1"}


async def test_a_repeated_request_gets_the_first_answer(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    path = f"/api/v1/workflows/{workflow}/executions"

    first = await api.post(path, {"instance_id": instance}, **KEY)
    again = await api.post(path, {"instance_id": instance}, **KEY)

    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert await api.count() == 1


async def test_another_body_under_a_used_key_is_refused(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    path = f"/api/v1/workflows/{workflow}/executions"
    await api.post(path, {"instance_id": instance}, **KEY)

    response = await api.post(path, {"instance_id": instance, "priority": 1}, **KEY)

    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert await api.count() == 1


async def test_the_order_of_members_and_white_space_do_not_matter(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    path = f"/api/v1/workflows/{workflow}/executions"
    first = await api.post(path, {"instance_id": instance, "tags": {"a": "1", "b": "2"}}, **KEY)

    again = await api.http.post(
        path,
        content=f'{{ "tags": {{"b": "2", "a": "1"}},\n "instance_id": "{instance}" }}',
        headers={"Content-Type": "application/json", **KEY},
    )

    assert again.json() == first.json()


async def test_twenty_twins_at_once_make_one_execution(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    path = f"/api/v1/workflows/{workflow}/executions"

    answers = await asyncio.gather(
        *(api.post(path, {"instance_id": instance}, **KEY) for _ in range(20))
    )

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await api.count() == 1


async def test_twenty_bulk_twins_at_once_make_each_item_once(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    body = {"items": [{"workflow_id": workflow, "instance_id": instance}] * 10}

    answers = await asyncio.gather(
        *(api.post("/api/v1/executions/bulk", body, **KEY) for _ in range(20))
    )

    assert len({answer.text for answer in answers}) == 1
    assert await api.count() == 10


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/workflows", {"name": "w", "sql_query": SQL}),
        ("/api/v1/accounts", {"entity_id": "E", "marketplace_id": "M"}),
        ("/api/v1/credentials", {"name": "c", "refresh_token": "Atzr|x", "region": "EU"}),
    ],
)
async def test_twins_of_any_other_creation_get_one_thing(api: Api, path: str, body: dict[str, str]):
    answers = await asyncio.gather(*(api.post(path, body, **KEY) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len((await api.get(path)).json()["items"]) == 1


async def test_another_refresh_token_is_another_request(api: Api):
    body = {"name": "c", "refresh_token": "Atzr|x"}
    await api.post("/api/v1/credentials", body, **KEY)

    response = await api.post("/api/v1/credentials", {**body, "refresh_token": "Atzr|y"}, **KEY)

    assert response.json()["code"] == "idempotency_key_reused"


async def test_a_retry_is_made_once(api: Api):
    execution = await api.one()
    await api.put_in(execution, "cancelled")

    answers = await asyncio.gather(
        *(api.post(f"/api/v1/executions/{execution}/retry", **KEY) for _ in range(5))
    )

    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await api.count() == 2


async def test_a_refused_request_leaves_its_key_free(api: Api):
    workflow = await api.workflow()
    path = f"/api/v1/workflows/{workflow}/executions"
    refused = await api.post(path, {"instance_id": "amcone"}, **KEY)
    instance = await api.instance("amcone")

    accepted = await api.post(path, {"instance_id": instance}, **KEY)

    assert (refused.status_code, accepted.status_code) == (404, 202)


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256])
async def test_a_key_is_one_to_255_visible_characters(api: Api, key: str):
    response = await api.post(
        "/api/v1/workflows", {"name": "w", "sql_query": SQL}, **{"Idempotency-Key": key}
    )

    assert response.status_code == 422
