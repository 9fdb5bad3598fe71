"""Health, readiness, metrics and figures."""

import re

import pytest

from services.api.app import Exposure
from shared.db.pool import Database
from shared.domain.errors import DatabaseUnavailable
from tests.integration.api.conftest import Api, open_api


async def test_health_needs_neither_token_nor_database(api: Api):
    api.http.headers.pop("Authorization")
    await api.database.pool.close()

    assert (await api.get("/healthz")).json() == {"status": "ok"}


async def test_ready_while_it_can_accept_whatever_the_broker_does(api: Api):
    api.http.headers.pop("Authorization")
    with_broker = await api.get("/readyz")
    api.broker.connected = False

    without = await api.get("/readyz")

    assert (with_broker.status_code, without.status_code) == (200, 200)
    assert (with_broker.json()["broker"], without.json()["broker"]) == (
        "connected",
        "disconnected",
    )
    assert without.json()["schema_revision"] == without.json()["expected_revision"] != ""


async def test_not_ready_on_another_schema(api: Api):
    await api.database.execute("update alembic_version set version_num = '0001'")

    response = await api.get("/readyz")

    assert (response.status_code, response.json()["ready"]) == (503, False)


async def test_not_ready_without_a_database(api: Api):
    await api.database.pool.close()

    response = await api.get("/readyz")

    assert (response.status_code, response.json()["database"]) == (503, "unavailable")


async def test_a_database_that_is_away_is_503_and_worth_a_retry(api: Api):
    await api.get("/api/v1/workflows")
    await api.database.pool.close()

    response = await api.get("/api/v1/workflows")

    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
    assert response.json()["retryable"]
    assert response.headers["Retry-After"] == "1"


async def test_metrics_show_load_by_instance_and_the_outbox(api: Api):
    execution = await api.one()
    await api.put_in(execution, "submitting")
    await api.execution(await api.workflow(), "amcone")
    api.http.headers.pop("Authorization")

    text = (await api.get("/metrics")).text

    assert 'amcflow_executions{state="queued"} 1.0' in text
    assert 'amcflow_executions{state="running"} 0.0' in text
    assert 'amcflow_instance_executions_in_flight{instance="amcone"} 1.0' in text
    assert 'amcflow_instance_executions_queued{instance="amcone"} 1.0' in text
    assert re.search(r'amcflow_instance_oldest_queued_seconds\{instance="amcone"\} 0\.\d+', text)
    assert "amcflow_outbox_messages 1.0" in text
    assert "amcflow_parked_messages 0.0" in text


async def test_metrics_without_a_database_are_this_process_alone(api: Api):
    await api.database.pool.close()

    response = await api.get("/metrics")

    assert response.status_code == 200
    assert "amcflow_instance" not in response.text


async def test_metrics_can_be_closed(database: Database):
    async with open_api(database, Exposure(metrics_are_open=False)) as api:
        assert (await api.get("/metrics")).status_code == 200
        api.http.headers.pop("Authorization")
        assert (await api.get("/metrics")).status_code == 401


async def test_docs_can_be_turned_off(database: Database):
    async with open_api(database, Exposure(docs_enabled=False)) as api:
        for path in ("/docs", "/api/v1/openapi.json"):
            assert (await api.get(path)).status_code == 404


async def test_figures_count_states_the_last_day_and_every_instance(api: Api):
    instance, workflow = await api.instance(), await api.workflow()
    for states in ((), ("cancelled",), ("submitting", "failed"), ("submitting",)):
        await api.put_in(await api.execution(workflow, instance), *states)

    stats = (await api.get("/api/v1/stats")).json()

    assert {state: n for state, n in stats["executions"].items() if n} == {
        "queued": 1,
        "submitting": 1,
        "failed": 1,
        "cancelled": 1,
    }
    assert stats["last_24_hours"] == {"finished": 2, "completed": 0, "failed": 1, "cancelled": 1}
    assert stats["instances"][0]["in_use"] == 1
    assert stats["instances"][0]["queued"] == 1
    assert stats["queue_wait_seconds"]["p50"] >= 0


async def test_figures_are_read_once_in_five_seconds(api: Api):
    before = (await api.get("/api/v1/stats")).json()
    await api.one()

    assert (await api.get("/api/v1/stats")).json() == before


async def test_figures_need_the_database(api: Api):
    await api.database.pool.close()

    with pytest.raises(DatabaseUnavailable):
        await api.state.figures.now()
