"""The application in process over a real database, and short ways to ask it for things."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from uuid import UUID

import httpx
import pytest

from services.api.app import Exposure, create_app
from services.api.service import build_state, gather_intake
from services.api.settings import ApiSettings
from services.api.state import ApiState
from shared.db.pool import Database
from shared.db.service_tokens import ServiceTokens
from shared.domain.ids import EXECUTION_PREFIX, read
from shared.security.sealing import (
    SealingPrivateKey,
    SealingPublicKey,
    new_sealing_pair,
)
from shared.security.service_tokens import hash_service_token, new_service_token

SQL = "SELECT campaign, SUM(impressions) AS n FROM dsp_impressions GROUP BY 1"
SQL_WITH_PARAMETERS = (
    "SELECT CUSTOM_PARAMETER('brand') AS brand, COUNT(*) AS n FROM dsp_impressions"
    " WHERE campaign = CUSTOM_PARAMETER('campaign')"
)
PAIR = new_sealing_pair()
PRIVATE_KEY = SealingPrivateKey(PAIR.private)


@dataclass
class Hints:
    """An admitter and relay that only remember what they were told."""

    instances: list[Collection[int]] = field(default_factory=list)
    wakes: int = 0

    def soon(self, instance_ids: Collection[int]) -> None:
        self.instances.append(instance_ids)

    def wake(self) -> None:
        self.wakes += 1


@dataclass
class Broker:
    """A broker that is there or not."""

    connected: bool = True

    async def check(self) -> bool:
        return self.connected


@dataclass
class Api:
    """A client with a token, and what stands behind the application."""

    http: httpx.AsyncClient
    state: ApiState
    database: Database
    hints: Hints
    broker: Broker
    token: str

    async def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        return await self.http.post(path, json=body, headers=headers)

    async def get(self, path: str, **params: str | int) -> httpx.Response:
        return await self.http.get(path, params=params or None)

    async def made(self, path: str, body: object, **headers: str) -> dict[str, str]:
        response = await self.post(path, body, **headers)
        assert response.is_success, response.text
        return response.json()

    async def credential(self, name: str = "main") -> str:
        body = {"name": name, "refresh_token": "Atzr|secret", "region": "NA"}
        return (await self.made("/api/v1/credentials", body))["id"]

    async def account(self, entity: str = "ENTITY1", **more: object) -> str:
        body = {"entity_id": entity, "marketplace_id": "ATVPDKIKX0DER", **more}
        return (await self.made("/api/v1/accounts", body))["id"]

    async def instance(self, name: str = "amcone", **more: object) -> str:
        if "account_id" not in more:
            more["account_id"] = await self.account(
                f"ENTITY-{name}", credential_id=await self.credential(name)
            )
        return (await self.made("/api/v1/instances", {"instance_id": name, **more}))["id"]

    async def workflow(self, sql: str = SQL, **more: object) -> str:
        return (await self.made("/api/v1/workflows", {"name": "w", "sql_query": sql, **more}))["id"]

    async def execution(self, workflow: str, instance: str, **more: object) -> str:
        path = f"/api/v1/workflows/{workflow}/executions"
        return (await self.made(path, {"instance_id": instance, **more}))["id"]

    async def one(self) -> str:
        """An execution of its own workflow on its own instance, queued."""
        return await self.execution(await self.workflow(), await self.instance())

    async def put_in(self, execution: str, *states: str) -> None:
        """Move it along the table, as the workers would."""
        for state in states:
            await self.database.execute(MOVES[state], execution_uuid(execution))

    async def count(self) -> int:
        return await self.database.fetchval("select count(*) from workflow_executions")


MOVES = {
    "submitting": "update workflow_executions set state = 'submitting',"
    " admitted_at = clock_timestamp() where id = $1",
    "pending": "update workflow_executions set state = 'pending', amc_status = 'PENDING',"
    " submitted_at = clock_timestamp(), amc_execution_id = id::text where id = $1",
    "running": "update workflow_executions set state = 'running', amc_status = 'RUNNING',"
    " running_at = clock_timestamp() where id = $1",
    "downloading": "update workflow_executions set state = 'downloading', amc_status = 'SUCCEEDED',"
    " remote_finished_at = clock_timestamp() where id = $1",
    "completed": "update workflow_executions set state = 'completed', row_count = 2,"
    " size_bytes = 30, finished_at = clock_timestamp() where id = $1",
    "failed": "update workflow_executions set state = 'failed', finished_at = clock_timestamp(),"
    " error_code = 'query_rejected', error_message = 'No.', error_hint = 'Do.' where id = $1",
    "cancelled": "update workflow_executions set state = 'cancelled',"
    " finished_at = clock_timestamp() where id = $1",
}


def execution_uuid(text: str) -> UUID:
    return read(EXECUTION_PREFIX, text, what="execution")


def make_settings(**overrides: object) -> ApiSettings:
    known = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
        "AMQP_URL": "amqp://nobody@127.0.0.1/",
        "SEALING_PUBLIC_KEY": PAIR.public,
    }
    return ApiSettings.model_validate({**known, **overrides})


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    async with open_api(database) as opened:
        yield opened


class open_api:  # noqa: N801 - used as a function
    """The application over this database, as an async context manager."""

    def __init__(self, database: Database, exposure: Exposure | None = None) -> None:
        self.database = database
        self.exposure = exposure

    async def __aenter__(self) -> Api:
        token, hints, broker = new_service_token(), Hints(), Broker()
        gathered, self.stop = gather_intake(self.database), asyncio.Event()
        self.gathering = asyncio.ensure_future(gathered.run(self.stop))
        await ServiceTokens(self.database).create("tester", hash_service_token(token))
        state = build_state(
            make_settings(),
            self.database,
            admitter=hints,
            gathered=gathered,
            seal=SealingPublicKey(PAIR.public),
            broker=broker,
            wake_relay=hints.wake,
        )
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(
                create_app(state, self.exposure), raise_app_exceptions=False
            ),
            base_url="http://api.test",
            headers={"Authorization": f"Bearer {token}"},
        )
        return Api(self.http, state, self.database, hints, broker, token)

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        self.stop.set()
        await self.gathering
