"""Hot statements keep their indexes: none reads a big table from end to end.

Counted by the server itself, so that statements inside functions count too; each runs often enough
to be planned for unknown parameters.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.local.databases import clone_database, drop_database
from shared.db.pool import Connection, Database, open_database
from shared.db.queries import load
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    make_account,
    make_instance,
    make_workflow,
)

RUNS = 8
LAST = UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Crowd:
    """A database with history, a long line, and work at AMC."""

    database: Database
    instance: MadeInstance
    workflow: MadeWorkflow
    ids: dict[str, UUID]


@pytest.fixture(scope="module")
async def crowd(postgres_server: str, migrated_template: str) -> AsyncIterator[Crowd]:
    url = await clone_database(postgres_server, migrated_template)
    async with open_database(url, service="crowd", max_size=2) as database:
        account = await make_account(database, max_concurrent_executions=5000)
        instances = [
            await make_instance(database, account, max_concurrent_executions=70) for _ in range(20)
        ]
        workflows = [await make_workflow(database) for _ in range(20)]
        await _fill(database, instances, workflows)
        rows = await database.fetch(
            "select distinct on (state) state, id from workflow_executions"
            " where instance_id = $1 order by state, id",
            instances[0].key,
        )
        ids = {row["state"]: row["id"] for row in rows}
        yield Crowd(database, instances[0], workflows[0], ids)
    await drop_database(postgres_server, url)


async def _fill(
    database: Database, instances: list[MadeInstance], workflows: list[MadeWorkflow]
) -> None:
    await database.execute(
        """
        insert into workflow_executions (id, workflow_id, amc_workflow_id, instance_id, account_id,
          state, owner, lane, turn, request_id, time_window_type, time_zone, deadline_seconds,
          amc_execution_id, amc_created_at, admitted_at, submitted_at, remote_finished_at,
          finished_at, deadline_at, lease_until, row_count, size_bytes)
        select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
               ($1::uuid[])[n / 20 % 20 + 1], ($2::text[])[n / 20 % 20 + 1],
               ($3::int[])[n % 20 + 1],
               $4, s.state, 'test', 'lane' || n % 30, n, 'r', 'ALL', 'UTC', 3600,
               case when s.state not in ('queued', 'submitting') then 'amc' || n end, now(),
               case when s.state <> 'queued' then now() - interval '2 days' end, now(),
               case when s.state = 'completed' then now() end,
               case when s.state = 'completed' then now() end, now() + interval '1 h',
               case when s.state = 'submitting' then now() + interval '1 h' end, 1, 1
          from generate_series(0, 19999) n
         cross join lateral (select case
           when n % 1000 < 20 then 'submitting' when n % 1000 < 40 then 'pending'
           when n % 1000 < 60 then 'running' when n % 1000 < 200 then 'queued'
           else 'completed' end as state) s
        """,
        [workflow.id for workflow in workflows],
        [workflow.amc_workflow_id for workflow in workflows],
        [instance.key for instance in instances],
        instances[0].account,
    )
    await database.execute(
        "insert into timers (kind, key, due_at) select 'poll_instance', n::text,"
        " now() + interval '1 day' from generate_series(1, 200000) n"
    )
    await database.execute(
        "insert into outbox (message_type, body, claim, available_at)"
        " select 'poll_instance.v1', '{}', gen_random_uuid(), now() + interval '1 day'"
        " from generate_series(1, 20000)"
    )
    await database.execute(
        "insert into event_positions (reader, last_id)"
        " select 'amc.events', max(id) from execution_events"
    )
    await database.execute("analyze")


Run = Callable[[Connection, Crowd], Awaitable[Any]]


def statement(file: str, name: str, *arguments: Callable[[Crowd], Any]) -> Run:
    def run(connection: Connection, crowd: Crowd) -> Awaitable[Any]:
        return connection.fetch(load(file)[name], *(argument(crowd) for argument in arguments))

    return run


def an(state: str) -> Callable[[Crowd], UUID]:
    return lambda crowd: crowd.ids[state]


def several(state: str) -> Callable[[Crowd], list[UUID]]:
    return lambda crowd: [crowd.ids[state]]


def value(given: Any) -> Callable[[Crowd], Any]:
    return lambda _: given


def instance(crowd: Crowd) -> int:
    return crowd.instance.key


def requests(crowd: Crowd) -> list[dict[str, Any]]:
    return [
        {
            "id": str(uuid4()),
            "workflow_id": str(crowd.workflow.id),
            "amc_workflow_id": crowd.workflow.amc_workflow_id,
            "instance_id": crowd.instance.key,
            "account_id": crowd.instance.account,
            "priority": 5,
            "lane": "lane7",
            "owner": "test",
            "request_id": "r",
            "time_window_type": "ALL",
            "time_zone": "UTC",
            "output_format": "CSV",
            "deadline_seconds": 3600,
        }
    ]


def seen(crowd: Crowd) -> list[dict[str, Any]]:
    return [
        {
            "execution_id": str(crowd.ids["running"]),
            "state": "downloading",
            "amc_status": "SUCCEEDED",
        }
    ]


async def hand_on_in_a_full_account(connection: Connection, crowd: Crowd) -> None:
    """The choice is over all instances of the account."""
    await connection.execute(
        "update amc_accounts set max_concurrent_executions = (select count(*)"
        " from workflow_executions where account_id = $1"
        " and state in ('submitting', 'pending', 'running'))",
        crowd.instance.account,
    )
    assert await connection.fetchval(load("polling")["observe"], crowd.instance.key, seen(crowd))


MINUTE = value(timedelta(minutes=1))

STATEMENTS: dict[str, Run] = {
    "accept": statement("acceptance", "accept", requests),
    "admit": statement("acceptance", "admit", lambda crowd: [crowd.instance.key]),
    "observe and hand on": statement("polling", "observe", instance, seen),
    "hand on in a full account": hand_on_in_a_full_account,
    "cancel": statement("control", "request_cancel", an("queued"), value("anna")),
    "claim": statement(
        "submission", "claim_for_submission", several("submitting"), value(uuid4()), MINUTE
    ),
    "work at AMC": statement("polling", "work_at_amc", instance),
    "claim a look": statement("polling", "claim_for_poll", instance, MINUTE),
    "expected seconds": statement("polling", "expected_seconds", instance),
    "take the turn to tell": statement("telling", "take_turn", value(uuid4()), MINUTE),
    "due kinds": statement(
        "timers", "due_kinds", value(["poll_instance", "admit_instance"]), MINUTE
    ),
    "fire": statement(
        "timers",
        "fire",
        value("poll_instance"),
        value(500),
        MINUTE,
        value("poll_instance.v1"),
        MINUTE,
    ),
    "take due": statement("timers", "take_due", value("admit_instance"), value(500), MINUTE),
    "arm": statement("timers", "arm", value("k"), value("1"), MINUTE, value({})),
    "fresh messages": statement("outbox", "fresh_batch", value(uuid4()), value(500), value(0)),
    "messages left behind": statement(
        "outbox", "claim_left_behind", value(uuid4()), value(500), MINUTE, MINUTE
    ),
    "list all": statement("executions_read", "versions_of_all", value(LAST), value(100)),
    "list by state": statement(
        "executions_read",
        "versions_in_states",
        value(LAST),
        value(100),
        value(["failed", "running"]),
    ),
    "list by workflow": statement(
        "executions_read",
        "versions_of_workflow",
        value(LAST),
        value(100),
        lambda crowd: crowd.workflow.id,
        value(None),
        value(["completed"]),
    ),
    "list by instance": statement(
        "executions_read",
        "versions_of_instance",
        value(LAST),
        value(100),
        value("amctest-none"),
        value(None),
    ),
}

_SCANS = (
    "select relname, seq_scan from pg_stat_user_tables"
    " where relname in ('workflow_executions', 'execution_events', 'timers', 'outbox')"
    " order by relname"
)


async def scans(connection: Connection) -> dict[str, int]:
    await connection.fetchval("select pg_stat_force_next_flush()")
    return {row["relname"]: row["seq_scan"] for row in await connection.fetch(_SCANS)}


@pytest.mark.parametrize("run", STATEMENTS.values(), ids=STATEMENTS)
async def test_a_hot_statement_reads_no_big_table_from_end_to_end(crowd: Crowd, run: Run) -> None:
    async with crowd.database.connection() as connection:
        before = await scans(connection)
        for _ in range(RUNS):
            undone = connection.transaction()
            await undone.start()
            await run(connection, crowd)
            await undone.rollback()

        assert await scans(connection) == before


async def test_a_scan_would_be_counted(crowd: Crowd) -> None:
    async with crowd.database.connection() as connection:
        before = await scans(connection)

        await connection.fetchval("select count(*) from workflow_executions where owner = 'x'")

        assert (await scans(connection))["workflow_executions"] > before["workflow_executions"]


async def test_the_crowd_leaves_room_to_admit(crowd: Crowd) -> None:
    async with crowd.database.connection() as connection:
        undone = connection.transaction()
        await undone.start()
        admitted = await connection.fetchval(load("acceptance")["admit"], [crowd.instance.key])
        await undone.rollback()

    assert admitted == 10


async def test_the_rescuers_look_reads_no_big_table_from_end_to_end(crowd: Crowd) -> None:
    async with crowd.database.connection() as connection:
        before = await scans(connection)
        undone = connection.transaction()
        await undone.start()
        await connection.fetch(load("control")["rescue"], 200)
        await undone.rollback()

        assert await scans(connection) == before


async def test_an_empty_look_among_two_hundred_thousand_timers_reads_the_index(
    crowd: Crowd,
) -> None:
    explained = await crowd.database.fetch(
        "explain select kind, key from timers where kind = 'poll_instance'"
        " and due_at <= statement_timestamp() order by due_at limit 500"
    )

    plan = "\n".join(row[0] for row in explained)
    assert "timers_due" in plan
    assert "Index Cond: ((kind = 'poll_instance'::text) AND (due_at <= statement_timestamp()))" in (
        plan
    )
