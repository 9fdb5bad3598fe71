"""Two connections at the worst moments, then many at all moments."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from asyncpg import Record

from shared.db.acceptance import Acceptance, NewExecution
from shared.db.control import Control
from shared.db.polling import Looks
from shared.db.pool import Connection, Database, open_database
from shared.domain.claims import Observation
from shared.domain.errors import StaleTransition
from shared.domain.ids import ExecutionId, InstanceKey
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    accept,
    accept_and_admit,
    blocked,
    finish,
    in_state,
    make_account,
    make_instance,
    make_request,
    start,
    state_of,
    states_of,
)


@pytest.fixture
async def narrow(database: Database) -> MadeInstance:
    """An instance with a single slot."""
    return await make_instance(database, max_concurrent_executions=1)


async def admit(connection: Connection, instance: MadeInstance) -> int:
    admitted: int = await connection.fetchval("select admit_instances_v1($1)", [instance.key])
    return admitted


async def test_an_end_that_meets_an_uncommitted_admission_sees_the_new_request(
    database: Database, narrow: MadeInstance, workflow: MadeWorkflow
) -> None:
    (running,) = await accept_and_admit(database, make_request(narrow, workflow))
    (waiting,) = await accept(database, make_request(narrow, workflow))

    async with database.transaction() as connection:
        assert await admit(connection, narrow) == 0
        ending = asyncio.ensure_future(finish(database, running))
        await blocked(database)
    await ending

    assert await state_of(database, waiting) == "submitting"


async def test_an_admission_that_meets_an_uncommitted_end_sees_the_free_slot(
    database: Database, narrow: MadeInstance, workflow: MadeWorkflow
) -> None:
    (running,) = await accept_and_admit(database, make_request(narrow, workflow))
    await start(database, running)
    seen = [{"execution_id": str(running), "state": "downloading", "amc_status": "SUCCEEDED"}]

    async with database.transaction() as connection:
        await connection.fetchval("select observe_executions_v1($1, $2)", narrow.key, seen)
        asking = asyncio.ensure_future(accept_and_admit(database, make_request(narrow, workflow)))
        await blocked(database)
    (waiting,) = await asking

    assert await state_of(database, waiting) == "submitting"


async def test_a_cancellation_that_rolls_back_leaves_no_slot_idle(
    database: Database, narrow: MadeInstance, workflow: MadeWorkflow
) -> None:
    running, waiting = await accept_and_admit(
        database, make_request(narrow, workflow), make_request(narrow, workflow)
    )
    await start(database, running)

    async with database.connection() as connection:
        undone = connection.transaction()
        await undone.start()
        await connection.fetchval("select request_cancel_v1($1, 'anna')", waiting)
        ending = asyncio.ensure_future(finish(database, running))
        await blocked(database)
        await undone.rollback()
    await ending

    assert await state_of(database, waiting) == "submitting"


async def test_a_row_that_somebody_holds_is_waited_for_and_not_passed_over(
    database: Database, narrow: MadeInstance, workflow: MadeWorkflow
) -> None:
    running, waiting, later = await accept_and_admit(
        database, *(make_request(narrow, workflow) for _ in range(3))
    )
    await start(database, running)

    async with database.transaction() as connection:
        await connection.execute(
            "select from workflow_executions where id = $1 for no key update", waiting
        )
        ending = asyncio.ensure_future(finish(database, running))
        await blocked(database)
    await ending

    assert await states_of(database, [waiting, later]) == ["submitting", "queued"]


async def test_requests_over_the_same_instances_in_opposite_orders_do_not_deadlock(
    database: Database, workflow: MadeWorkflow
) -> None:
    instances = [await make_instance(database) for _ in range(8)]

    async def ask(order: list[MadeInstance]) -> None:
        async with database.transaction() as connection:
            await connection.fetchval(
                "select admit_instances_v1($1)", [instance.key for instance in order]
            )
            await connection.fetchval(
                "select admit_instances_v1($1)", [instance.key for instance in order]
            )

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            order = instances if number % 2 else instances[::-1]
            group.create_task(ask(order))

    assert await deadlocks(database) == 0


async def deadlocks(database: Database) -> int:
    await database.fetchval("select pg_stat_force_next_flush()")
    number: int = await database.fetchval(
        "select deadlocks from pg_stat_database where datname = current_database()"
    )
    return number


# One snapshot: who is over a limit, and where a slot is idle while work waits.
_LOOK = """
with busy as (
  select account_id, instance_id, count(*) as n from workflow_executions
   where state in ('submitting', 'pending', 'running') group by 1, 2
), accounts as (
  select a.id, a.max_concurrent_executions - coalesce(sum(b.n), 0) as free
    from amc_accounts a left join busy b on b.account_id = a.id group by a.id
), instances as (
  select i.id, i.account_id, i.max_concurrent_executions - coalesce(b.n, 0) as free,
         exists (select from workflow_executions q
                  where q.instance_id = i.id and q.state = 'queued') as waits
    from amc_instances i left join busy b on b.instance_id = i.id
)
select 'account' as what, id from accounts where free < 0
union all
select 'instance', id from instances where free < 0
union all
select 'idle', i.id from instances i join accounts a on a.id = i.account_id
 where i.waits and i.free > 0 and a.free > 0
"""


@dataclass
class Storm:
    """Many connections of several processes' pools doing everything at once."""

    pools: list[Database]
    instances: list[MadeInstance]
    workflow: MadeWorkflow
    ends_at: float
    done: Counter[str] = field(default_factory=Counter)
    hinted: Counter[int] = field(default_factory=Counter)
    hinted_last: dict[int, float] = field(default_factory=dict)
    breaches: list[tuple[str, int]] = field(default_factory=list)
    snapshots: int = 0

    async def rage(self) -> None:
        actions = [self.accept_one, self.accept_many, self.end_some, self.cancel_one]
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch())
            for worker in range(24):
                group.create_task(self.work(self.pools[worker % 3], actions))

    async def work(
        self, pool: Database, actions: list[Callable[[Database], Awaitable[None]]]
    ) -> None:
        while time.monotonic() < self.ends_at:
            (act,) = random.choices(actions, weights=[34, 2, 52, 12])
            try:
                await act(pool)
            except StaleTransition:
                self.done["stale"] += 1
            self.done[act.__name__] += 1

    async def accept_one(self, pool: Database) -> None:
        """As the API does it: the row first, the admission in a step of its own."""
        instance = random.choice(self.instances)
        self.hinted[instance.key] += 1
        await accept(pool, make_request(instance, self.workflow, lane=random.choice("abc")))
        await Acceptance(pool).admit([instance.key])
        self.hinted_last[instance.key] = time.monotonic()
        self.hinted[instance.key] -= 1

    async def accept_many(self, pool: Database) -> None:
        """Over instances in any order, stored and admitted in one transaction."""
        asked = [random.choice(self.instances) for _ in range(20)]
        rows = [
            {"id": str(each.id), **_members(each), "owner": "test", "request_id": "r"}
            for each in (make_request(instance, self.workflow, lane="bulk") for instance in asked)
        ]
        async with pool.transaction() as connection:
            await connection.fetchval("select accept_executions_v2($1)", rows)
            await connection.fetchval(
                "select admit_instances_v1($1)", [instance.key for instance in asked]
            )

    async def end_some(self, pool: Database) -> None:
        instance = random.choice(self.instances)
        rows = await pool.fetch(
            "select id from workflow_executions where instance_id = $1"
            " and state in ('submitting', 'pending') order by id limit 3",
            instance.key,
        )
        ended = [row["id"] for row in rows]
        for execution in ended:
            await start(pool, execution)
        await Looks(pool).observe(
            InstanceKey(instance.key),
            [
                Observation(ExecutionId(execution), "downloading", "SUCCEEDED")
                for execution in reversed(ended)
            ],
        )

    async def cancel_one(self, pool: Database) -> None:
        row = await pool.fetchrow(
            "select id from workflow_executions where instance_id = $1"
            " and state in ('queued', 'submitting') order by id desc limit 1",
            random.choice(self.instances).key,
        )
        if row is None:
            return
        async with _perhaps_undone(pool) as connection:
            await connection.fetchval("select request_cancel_v1($1, 'anna')", row["id"])

    async def watch(self) -> None:
        while time.monotonic() < self.ends_at:
            began = time.monotonic()
            excused = {instance for instance, number in self.hinted.items() if number}
            found = await self.pools[0].fetch(_LOOK)
            excused |= {instance for instance, number in self.hinted.items() if number}
            excused |= {each for each, at in self.hinted_last.items() if at >= began}
            self.snapshots += 1
            self.breaches += [
                (row["what"], row["id"])
                for row in found
                if row["what"] != "idle" or row["id"] not in excused
            ]
            await asyncio.sleep(0.02)


@asynccontextmanager
async def _perhaps_undone(pool: Database) -> AsyncIterator[Connection]:
    async with pool.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await (transaction.rollback() if random.random() < 0.5 else transaction.commit())


_MEMBERS = (
    "amc_workflow_id",
    "instance_id",
    "account_id",
    "priority",
    "lane",
    "tags",
    "time_window_type",
    "time_zone",
    "parameters",
    "output_format",
    "deadline_seconds",
)


def _members(request: NewExecution) -> dict[str, Any]:
    return {"workflow_id": str(request.workflow_id)} | {
        name: getattr(request, name) for name in _MEMBERS
    }


async def _breaches(database: Database) -> list[Record]:
    return await database.fetch(_LOOK)


async def test_in_a_storm_no_limit_is_broken_and_no_slot_idles_while_work_waits(
    database: Database, database_url: str, workflow: MadeWorkflow
) -> None:
    by_account = await make_account(database, max_concurrent_executions=20)
    by_instance = await make_account(database, max_concurrent_executions=500)
    instances = [
        *[await make_instance(database, by_account, max_concurrent_executions=4) for _ in range(9)],
        *[await make_instance(database, by_instance, max_concurrent_executions=2) for _ in "12345"],
    ]

    async with AsyncExitStack() as stack:
        pools = [
            await stack.enter_async_context(open_database(database_url, service="s", max_size=9))
            for _ in range(3)
        ]
        storm = Storm(pools, instances, workflow, time.monotonic() + 3.5)
        await storm.rage()

    assert storm.breaches == []
    assert await _breaches(database) == []
    assert await deadlocks(database) == 0
    assert storm.snapshots > 20
    assert await in_state(database, "downloading") > 50
    assert min(storm.done[name] for name in ("accept_one", "accept_many", "cancel_one")) > 0


async def test_every_admitted_execution_has_exactly_one_command(
    database: Database, workflow: MadeWorkflow
) -> None:
    instances = [await make_instance(database) for _ in range(4)]
    for instance in instances:
        await accept(database, *(make_request(instance, workflow) for _ in range(12)))
    control = Control(database)

    await asyncio.gather(
        *(control.admit([instance.key for instance in instances]) for _ in range(20))
    )

    rows = await database.fetch(
        "select body ->> 'execution_id' as id, count(*) from outbox group by 1"
    )
    assert await in_state(database, "submitting") == len(rows) == 40
    assert {row["count"] for row in rows} == {1}
