"""Rows to measure on, written through the product's own repositories where there are any."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg

from shared.db.acceptance import Acceptance, NewExecution
from shared.db.outbox import Outbox
from shared.db.pool import Database, open_database
from shared.domain.clock import utc_now
from shared.domain.ids import CredentialId, new_uuid
from shared.messaging.publisher import Publisher
from shared.runtime.relay import OutboxRelay
from shared.security.tokens import TokenContext, TokenKind, TokenVault

VERY_HIGH: Final = 100_000
_BATCH: Final = 1_000
_WORKFLOW: Final = "wf_bench_1"


@dataclass(frozen=True, slots=True)
class World:
    """Instances of accounts of their own behind one login, and one workflow known everywhere."""

    instances: Sequence[tuple[int, int]]
    """(instance, account), as row numbers."""
    workflow: UUID
    amc_workflow: str


@dataclass(frozen=True, slots=True)
class _Limits:
    requests_per_second: int
    executions_at_once: int


async def make_world(
    database: Database,
    *,
    access_token_key: str,
    instances: int,
    requests_per_second: int = VERY_HIGH,
    executions_at_once: int = VERY_HIGH,
) -> World:
    """A login with a token that lives for a day; limits as high as the schema allows."""
    credential = new_uuid()
    vault = TokenVault([access_token_key], setting="ENCRYPTION_KEY")
    context = TokenContext(CredentialId(credential), TokenKind.ACCESS)
    token = vault.seal(context, "Atza|bench")
    async with database.transaction() as connection:
        await connection.execute(
            "insert into credentials (id, name, region, refresh_token_ciphertext,"
            " refresh_token_key_id, status, created_by, access_token_ciphertext,"
            " access_token_key_id, access_token_expires_at)"
            " values ($1, 'bench', 'NA', 'sealed', 'key', 'active', 'bench', $2, $3, $4)",
            credential,
            token.ciphertext,
            token.key_id,
            utc_now() + timedelta(days=1),
        )
        limits = _Limits(requests_per_second, executions_at_once)
        made = [
            await _make_instance(connection, number, credential, limits)
            for number in range(instances)
        ]
        workflow = await _make_workflow(connection)
    return World(made, workflow, _WORKFLOW)


async def _make_instance(
    connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy,
    number: int,
    credential: UUID,
    limits: _Limits,
) -> tuple[int, int]:
    account = await connection.fetchval(
        "insert into amc_accounts (public_id, entity_id, marketplace_id, name, credential_id,"
        " max_concurrent_executions) values ($1, $2, 'ATVPDKIKX0DER', $2, $3, $4) returning id",
        new_uuid(),
        f"ENTITYBENCH{number}",
        credential,
        limits.executions_at_once,
    )
    await connection.execute("insert into account_gates (account_id) values ($1)", account)
    instance = await connection.fetchval(
        "insert into amc_instances (amc_instance_id, account_id, name, max_concurrent_executions,"
        " max_requests_per_second) values ($1, $2, $1, $3, $4) returning id",
        f"amcbench{number}",
        account,
        limits.executions_at_once,
        limits.requests_per_second,
    )
    await connection.execute(
        "insert into instance_gates (instance_id, account_id) values ($1, $2)", instance, account
    )
    await connection.execute(
        "insert into rate_budgets (instance_id, step) values ($1, make_interval(secs => $2))",
        instance,
        1 / (0.94 * limits.requests_per_second),
    )
    return instance, account


async def _make_workflow(
    connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy,
) -> UUID:
    workflow = new_uuid()
    await connection.execute(
        "insert into workflows (id, name, amc_workflow_id, created_by)"
        " values ($1, 'bench', $2, 'bench')",
        workflow,
        _WORKFLOW,
    )
    await connection.execute(
        "insert into workflow_definitions (amc_workflow_id, workflow_id, sql_query, parameters)"
        " values ($1, $2, 'select campaign, sum(impressions) as n from t group by campaign', '[]')",
        _WORKFLOW,
        workflow,
    )
    await connection.execute(
        "insert into amc_workflows (instance_id, amc_workflow_id) select id, $1 from amc_instances",
        _WORKFLOW,
    )
    return workflow


def new_execution(world: World, number: int) -> NewExecution:
    """The instances take turns."""
    instance, account = world.instances[number % len(world.instances)]
    return NewExecution(
        id=new_uuid(),
        workflow_id=world.workflow,
        amc_workflow_id=world.amc_workflow,
        instance_id=instance,
        account_id=account,
        priority=5,
        lane="bench",
        tags={},
        retry_of=None,
        time_window_type="MOST_RECENT_WEEK",
        time_window_start=None,
        time_window_end=None,
        time_zone="UTC",
        parameters={"start": "2026-01-01"},
        output_format="CSV",
        deadline_seconds=21_600,
        queue_timeout_seconds=None,
    )


async def queue_executions(database: Database, world: World, number: int) -> None:
    """Accept that many and admit what there are slots for; the commands lie in the outbox."""
    acceptance = Acceptance(database)
    for first in range(0, number, _BATCH):
        batch = [new_execution(world, n) for n in range(first, min(first + _BATCH, number))]
        await acceptance.accept(batch, owner="bench", request_id="bench")
        await acceptance.admit({execution.instance_id for execution in batch})


async def publish_outbox(database: Database, amqp_url: str) -> None:
    """Send what was written, as every service does after its commits."""
    async with Publisher(amqp_url, name="bench publisher") as publisher:
        relay = OutboxRelay(Outbox(database), publisher)
        stop = asyncio.Event()
        relay.wake()
        running = asyncio.ensure_future(relay.run(stop))
        while await database.fetchval("select exists (select from outbox)"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        stop.set()
        await running


async def prepared(
    database_url: str, amqp_url: str, *, access_token_key: str, instances: int, executions: int
) -> None:
    """A world whose commands are all in the queue already."""
    async with open_database(database_url, service="bench") as database:
        world = await make_world(database, access_token_key=access_token_key, instances=instances)
        await queue_executions(database, world, executions)
        await publish_outbox(database, amqp_url)
