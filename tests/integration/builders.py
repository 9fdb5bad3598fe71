"""Rows to begin with, each with honest defaults that a test overrides where it matters."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from shared.db.acceptance import Acceptance, NewExecution
from shared.db.polling import Looks
from shared.db.pool import Database
from shared.domain.claims import Observation
from shared.domain.ids import ExecutionId, InstanceKey, new_uuid

_NUMBERS = count(1)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
PAST = datetime.now(UTC) - HOUR


@dataclass(frozen=True, slots=True)
class MadeWorkflow:
    """A saved workflow with the definition it has now."""

    id: UUID
    amc_workflow_id: str


@dataclass(frozen=True, slots=True)
class MadeInstance:
    """An instance with its account."""

    key: int
    account: int


async def make_credential(database: Database, **overrides: Any) -> UUID:
    number = next(_NUMBERS)
    values = {
        "id": new_uuid(),
        "name": f"login {number}",
        "region": "NA",
        "refresh_token_ciphertext": b"sealed",
        "refresh_token_key_id": "key",
        "status": "active",
        "created_by": "test",
        **overrides,
    }
    made: UUID = await _insert(database, "credentials", values)
    return made


async def make_account(database: Database, **overrides: Any) -> int:
    """An account with its gate, and a login of its own unless one is given."""
    number = next(_NUMBERS)
    if "credential_id" not in overrides:
        overrides["credential_id"] = await make_credential(database)
    values = {
        "public_id": new_uuid(),
        "entity_id": f"ENTITY{number}",
        "marketplace_id": "ATVPDKIKX0DER",
        "name": f"account {number}",
        **overrides,
    }
    account: int = await _insert(database, "amc_accounts", values)
    await database.execute("insert into account_gates (account_id) values ($1)", account)
    return account


async def make_instance(
    database: Database, account: int | None = None, **overrides: Any
) -> MadeInstance:
    """An instance with its gate and its rate budget, in an account of its own unless given."""
    number = next(_NUMBERS)
    account = await make_account(database) if account is None else account
    values = {
        "amc_instance_id": f"amctest{number}",
        "account_id": account,
        "name": f"instance {number}",
        **overrides,
    }
    key: int = await _insert(database, "amc_instances", values)
    await database.execute(
        "insert into instance_gates (instance_id, account_id) values ($1, $2)", key, account
    )
    await database.execute(
        "insert into rate_budgets (instance_id, step) select id,"
        " make_interval(secs => 1 / (0.94 * max_requests_per_second))"
        " from amc_instances where id = $1",
        key,
    )
    return MadeInstance(key, account)


async def make_workflow(database: Database, **overrides: Any) -> MadeWorkflow:
    number = next(_NUMBERS)
    workflow, definition = new_uuid(), f"wf_test_{number}"
    async with database.transaction() as connection:
        await connection.execute(
            "insert into workflows (id, name, amc_workflow_id, created_by)"
            " values ($1, $2, $3, 'test')",
            workflow,
            overrides.get("name", f"workflow {number}"),
            definition,
        )
        await connection.execute(
            "insert into workflow_definitions (amc_workflow_id, workflow_id, sql_query, parameters)"
            " values ($1, $2, $3, $4)",
            definition,
            workflow,
            overrides.get("sql_query", "select 1 as one from t"),
            overrides.get("parameters", []),
        )
    return MadeWorkflow(workflow, definition)


async def make_execution(
    database: Database,
    instance: MadeInstance,
    workflow: MadeWorkflow,
    state: str = "queued",
    **overrides: Any,
) -> UUID:
    """An execution as it looks when it has reached `state` by the usual way."""
    execution = new_uuid()
    values = {
        "id": execution,
        "workflow_id": workflow.id,
        "amc_workflow_id": workflow.amc_workflow_id,
        "instance_id": instance.key,
        "account_id": instance.account,
        "state": state,
        "owner": "test",
        "lane": "test",
        "turn": 1,
        "request_id": "request",
        "time_window_type": "MOST_RECENT_WEEK",
        "time_zone": "UTC",
        "deadline_seconds": 21_600,
        **_reached(state, execution),
        **overrides,
    }
    made: UUID = await _insert(database, "workflow_executions", values)
    return made


def _reached(state: str, execution: UUID) -> dict[str, Any]:
    now = datetime.now(UTC)
    admitted = {"admitted_at": now, "lease_until": now + timedelta(seconds=30)}
    at_amc = {
        **admitted,
        "lease_until": None,
        "attempt": 1,
        "amc_timeout_seconds": 21_600,
        "submitted_at": now,
        "amc_execution_id": f"amc-{execution.hex}",
        "amc_created_at": now,
        "amc_status": "PENDING",
        "deadline_at": now + 6 * HOUR,
    }
    running = {**at_amc, "running_at": now, "amc_status": "RUNNING"}
    downloading = {
        **running,
        "amc_status": "SUCCEEDED",
        "remote_finished_at": now,
        "lease_until": now + timedelta(seconds=30),
    }
    return {
        "queued": {},
        "submitting": admitted,
        "pending": at_amc,
        "running": running,
        "downloading": downloading,
        "completed": {
            **downloading,
            "lease_until": None,
            "row_count": 1,
            "size_bytes": 1,
            "finished_at": now,
        },
        "failed": {"error_code": "query_rejected", "finished_at": now},
        "cancelled": {"finished_at": now},
    }.get(state, {})


def make_request(instance: MadeInstance, workflow: MadeWorkflow, **overrides: Any) -> NewExecution:
    """A validated request, as the intake hands it to the acceptance."""
    values = {
        "id": new_uuid(),
        "workflow_id": workflow.id,
        "amc_workflow_id": workflow.amc_workflow_id,
        "instance_id": instance.key,
        "account_id": instance.account,
        "priority": 5,
        "lane": "test",
        "tags": {},
        "retry_of": None,
        "time_window_type": "MOST_RECENT_WEEK",
        "time_window_start": None,
        "time_window_end": None,
        "time_zone": "UTC",
        "parameters": {},
        "output_format": "CSV",
        "deadline_seconds": 21_600,
        "queue_timeout_seconds": None,
        **overrides,
    }
    return NewExecution(**values)


async def accept(database: Database, *requests: NewExecution) -> list[UUID]:
    """Store them in line, admit nothing."""
    await Acceptance(database).accept(requests, owner="test", request_id="request")
    return [request.id for request in requests]


async def accept_and_admit(database: Database, *requests: NewExecution) -> list[UUID]:
    """Store them in line and admit what there is room for."""
    accepted = await accept(database, *requests)
    await Acceptance(database).admit({request.instance_id for request in requests})
    return accepted


async def start(database: Database, *executions: UUID) -> None:
    """Let admitted executions run at AMC, without asking anybody."""
    await database.execute(
        "update workflow_executions set state = 'pending', amc_execution_id = id::text,"
        " amc_created_at = clock_timestamp(), submitted_at = clock_timestamp(),"
        " deadline_at = clock_timestamp() + interval '6 h', lease_until = null"
        " where id = any($1::uuid[]) and state = 'submitting'",
        list(executions),
    )


async def finish(database: Database, *executions: UUID) -> None:
    """AMC has finished these: what a look would record."""
    for execution in executions:
        await start(database, execution)
        instance = (await row_of(database, execution))["instance_id"]
        word = seen(execution, "downloading", "SUCCEEDED")
        await Looks(database).observe(InstanceKey(instance), [word])


def seen(execution: UUID, state: str, status: str, **more: str) -> Observation:
    """What a look found of one execution."""
    return Observation(ExecutionId(execution), state, status, **more)


async def in_state(database: Database, state: str, instance: MadeInstance | None = None) -> int:
    """How many there are."""
    number: int = await database.fetchval(
        "select count(*) from workflow_executions"
        " where state = $1 and ($2::int is null or instance_id = $2)",
        state,
        None if instance is None else instance.key,
    )
    return number


async def state_of(database: Database, execution: UUID) -> str:
    state: str = await database.fetchval(
        "select state from workflow_executions where id = $1", execution
    )
    return state


async def states_of(database: Database, executions: Collection[UUID]) -> list[str]:
    """In the order of the ids given."""
    rows = await database.fetch(
        "select id, state from workflow_executions where id = any($1::uuid[])", list(executions)
    )
    states = {row["id"]: row["state"] for row in rows}
    return [states[execution] for execution in executions]


async def row_of(database: Database, execution: UUID) -> dict[str, Any]:
    row = await database.fetchrow("select * from workflow_executions where id = $1", execution)
    assert row is not None
    return dict(row)


async def commands(database: Database, message_type: str) -> list[dict[str, Any]]:
    """The bodies of these messages in the outbox, oldest first."""
    rows = await database.fetch(
        "select body from outbox where message_type = $1 order by id", f"{message_type}.v1"
    )
    return [row["body"] for row in rows]


async def timer_in(database: Database, kind: str, key: object) -> float | None:
    """Seconds until this timer is due, negative if it is overdue, None if there is none."""
    seconds = await database.fetchval(
        "select extract(epoch from due_at - clock_timestamp()) from timers"
        " where kind = $1 and key = $2",
        kind,
        str(key),
    )
    return None if seconds is None else float(seconds)


async def until(
    condition: Callable[[], Awaitable[object]], *, seconds: float = 4.0, every: float = 0.01
) -> None:
    """Return as soon as the condition holds; TimeoutError if it does not in time."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(every)


async def blocked(database: Database) -> None:
    """Return as soon as somebody waits for a lock in this database."""

    async def waiting() -> bool:
        return bool(
            await database.fetchval(
                "select count(*) from pg_stat_activity"
                " where wait_event_type = 'Lock' and datname = current_database()"
            )
        )

    await until(waiting)


async def gathered(calls: Sequence[Awaitable[Any]]) -> list[Any]:
    """All at once; errors among the results."""
    return list(await asyncio.gather(*calls, return_exceptions=True))


async def _insert(database: Database, table: str, values: dict[str, Any]) -> Any:
    names = ", ".join(values)
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    return await database.fetchval(
        f"insert into {table} ({names}) values ({places}) returning id", *values.values()
    )
