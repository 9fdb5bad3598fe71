"""Comparisons over HTTP: asked for, read, decided on."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.db.reconciliations import Comparisons, Listed
from shared.domain.ids import RECONCILIATION_PREFIX, read
from tests.integration.api.conftest import Api

PATH = "/api/v1/admin/reconciliations"
NOW = datetime.now(UTC)


async def ask(api: Api, **body: Any) -> dict[str, Any]:
    (run,) = (await api.made(PATH, {"instance_id": await api.instance(), **body}))["items"]
    return run


async def find(api: Api, run: dict[str, Any], *listed: str, workflow: str = "other") -> None:
    """A worker has found these."""
    comparisons = Comparisons(api.database)
    claim = await comparisons.claim(
        read(RECONCILIATION_PREFIX, run["id"], what=""), lease=timedelta(minutes=1)
    )
    found = [
        Listed(name, workflow, "RUNNING", NOW.isoformat(), None, None, None, {}) for name in listed
    ]
    await comparisons.finish(claim, found, is_complete=True)


async def test_a_comparison_is_asked_for_and_answered_later(api: Api):
    run = await ask(api)
    await find(api, run, "amc-1", "amc-2")

    shown = (await api.get(f"{PATH}/{run['id']}")).json()

    assert (run["status"], run["requested_by"], run["listed"]) == ("waiting", "tester", None)
    assert (shown["status"], shown["listed"], shown["is_complete"]) == ("done", 2, True)
    assert shown["found"] == {"in_doubt": 0, "stray": 0, "foreign": 2}


async def test_without_an_instance_all_are_compared(api: Api):
    await api.instance("amcone")
    await api.instance("amctwo")

    runs = (await api.made(PATH, {}))["items"]

    assert sorted(run["instance_id"] for run in runs) == ["amcone", "amctwo"]


async def test_comparisons_are_listed_newest_first_and_by_instance(api: Api):
    first = await ask(api)
    (second,) = (await api.made(PATH, {"instance_id": "amcone"}))["items"]
    await api.instance("amctwo")

    page = (await api.get(PATH, limit=1)).json()
    rest = (await api.get(PATH, limit=1, cursor=page["next_cursor"])).json()

    assert [page["items"][0]["id"], rest["items"][0]["id"]] == [second["id"], first["id"]]
    assert (await api.get(PATH, instance_id="amctwo")).json()["items"] == []


async def test_findings_are_paged_and_narrowed(api: Api):
    run = await ask(api)
    await find(api, run, "amc-1", "amc-2", "amc-3")
    path = f"{PATH}/{run['id']}/executions"

    first = (await api.get(path, limit=2)).json()
    second = (await api.get(path, limit=2, cursor=first["next_cursor"])).json()

    ids = [each["amc_execution_id"] for page in (first, second) for each in page["items"]]
    assert ids == ["amc-1", "amc-2", "amc-3"]
    assert (await api.get(path, kind="stray")).json()["items"] == []


async def test_one_of_our_workflow_is_adopted(api: Api):
    workflow = await api.workflow()
    amc_workflow = await api.database.fetchval("select amc_workflow_id from workflow_definitions")
    run = await ask(api)
    await find(api, run, "amc-1", workflow=amc_workflow)

    finding = await api.made(f"{PATH}/{run['id']}/executions/amc-1/adopt", None)
    again = await api.post(f"{PATH}/{run['id']}/executions/amc-1/adopt")

    assert (finding["decision"], finding["workflow_id"]) == ("adopted", workflow)
    adopted = (await api.get(f"/api/v1/executions/{finding['adopted_as']}")).json()
    assert (adopted["status"], adopted["amc_execution_id"]) == ("pending", "amc-1")
    assert (again.status_code, again.json()["code"]) == (409, "not_adoptable")


async def test_somebody_elses_is_neither_adopted_nor_cancelled(api: Api):
    run = await ask(api)
    await find(api, run, "amc-1")

    adopt = await api.post(f"{PATH}/{run['id']}/executions/amc-1/adopt")
    cancel = await api.post(f"{PATH}/{run['id']}/executions/amc-1/cancel")

    assert (adopt.status_code, adopt.json()["code"]) == (409, "not_adoptable")
    assert (cancel.status_code, cancel.json()["code"]) == (409, "not_cancellable")
    assert "somebody else's" in cancel.json()["hint"]


@pytest.mark.parametrize(
    "body",
    [
        {"since": "2020-01-01T00:00:00Z"},
        {"since": (NOW + timedelta(days=1)).isoformat()},
        {"since": "2026-01-01T00:00:00"},
        {"everything": True},
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(api: Api, body: dict[str, Any]):
    assert (await api.post(PATH, body)).status_code == 422


@pytest.mark.parametrize("reconciliation", ["x", "rc_1", UUID(int=0).hex])
async def test_a_comparison_that_is_not_there_is_404(api: Api, reconciliation: str):
    for response in (
        await api.get(f"{PATH}/{reconciliation}"),
        await api.get(f"{PATH}/{reconciliation}/executions"),
        await api.post(f"{PATH}/{reconciliation}/executions/amc-1/adopt"),
        await api.post(f"{PATH}/{reconciliation}/executions/amc-1/cancel"),
    ):
        assert response.status_code == 404


async def test_an_instance_that_is_not_there_is_404(api: Api):
    assert (await api.post(PATH, {"instance_id": "nowhere"})).status_code == 404
