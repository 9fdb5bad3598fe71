"""The paths and words of the first documents still work."""

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.test_results import CSV, completed


@pytest.mark.parametrize("root", ["", "/api/v1"])
async def test_a_workflow_is_executed_and_followed_by_the_old_names(api: Api, root: str):
    workflow, instance = await api.workflow(), await api.instance()

    accepted = await api.post(f"{root}/workflows/{workflow}/execute", {"instance_id": instance})

    execution = accepted.json()["execution_id"]
    assert (accepted.status_code, accepted.json()["status"]) == (202, "pending")
    status = (await api.get(f"{root}/workflows/executions/{execution}/status")).json()
    detail = (await api.get(f"{root}/workflows/executions/{execution}/detail")).json()
    assert (status["execution_id"], status["status"]) == (execution, "pending")
    assert (detail["execution_id"], detail["workflow_id"]) == (execution, workflow)


@pytest.mark.parametrize(
    ("states", "word"),
    [
        (("submitting",), "pending"),
        (("submitting", "pending"), "pending"),
        (("submitting", "pending", "running"), "running"),
        (("submitting", "pending", "running", "downloading"), "running"),
        (("submitting", "pending", "running", "downloading", "completed"), "completed"),
        (("submitting", "failed"), "failed"),
        (("cancelled",), "failed"),
    ],
)
async def test_every_state_has_one_of_four_words(api: Api, states: tuple[str, ...], word: str):
    execution = await api.one()
    await api.put_in(execution, *states)

    for view in ("status", "detail"):
        response = await api.get(f"/workflows/executions/{execution}/{view}")
        assert response.json()["status"] == word


async def test_results_and_their_location_come_by_the_old_names(api: Api):
    execution = await completed(api)
    await api.database.execute("update workflow_executions set output_location = 's3://bucket/key'")

    results = (await api.get(f"/workflows/executions/{execution}/results")).json()
    detail = (await api.get(f"/workflows/executions/{execution}/detail")).json()

    assert len(results["items"]) == 3
    assert detail["output_location"] == "s3://bucket/key"
    assert (detail["row_count"], detail["size_bytes"]) == (3, len(CSV))


async def test_the_old_names_need_a_token_too(api: Api):
    api.http.headers.pop("Authorization")

    assert (await api.get("/workflows/executions/ex_1/status")).status_code == 401


async def test_an_unknown_format_is_400_before_anything_is_sent(api: Api):
    response = await api.post(
        f"/workflows/{await api.workflow()}/execute",
        {"instance_id": await api.instance(), "output_format": "JSON"},
    )

    assert response.status_code == 400
    assert await api.count() == 0
