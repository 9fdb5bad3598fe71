"""Commands to submit come as the rate budget will take them: none waits in a lane for long."""

import pytest

from shared.db.outbox import Outbox
from shared.db.pool import Database
from shared.db.stats import Stats
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    accept_and_admit,
    make_execution,
    make_instance,
    make_request,
)

STEP = 1 / 9.4


async def admit(
    database: Database, workflow: MadeWorkflow, number: int, **limits: int
) -> MadeInstance:
    instance = await make_instance(database, max_concurrent_executions=200, **limits)
    await accept_and_admit(database, *[make_request(instance, workflow) for _ in range(number)])
    return instance


async def waits(database: Database) -> list[float]:
    """Seconds until each command that has to wait is published, in the order of the line."""
    rows = await database.fetch(
        "select extract(epoch from o.available_at - e.admitted_at)::float8 as wait"
        "  from outbox o join workflow_executions e on e.id = (o.body ->> 'execution_id')::uuid"
        " where o.claim is null order by e.priority desc, e.turn, e.id"
    )
    return [row["wait"] for row in rows]


async def test_the_first_commands_of_a_burst_leave_at_once(
    database: Database, workflow: MadeWorkflow
) -> None:
    await admit(database, workflow, 50)

    fresh = await Outbox(database).fresh(limit=100)

    assert len(fresh) == 4
    assert await Outbox(database).claim_left_behind(limit=100) == []


async def test_the_others_leave_at_the_pace_of_the_budget(
    database: Database, workflow: MadeWorkflow
) -> None:
    await admit(database, workflow, 50)

    found = await waits(database)

    assert found == pytest.approx([n * STEP - 0.4 for n in range(4, 50)], abs=0.001)


async def test_who_comes_later_waits_for_those_ahead_that_were_not_sent(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=200)
    for state in ("submitting",) * 20 + ("pending", "running"):
        await make_execution(database, instance, workflow, state)

    await accept_and_admit(database, make_request(instance, workflow))

    assert await waits(database) == pytest.approx([20 * STEP - 0.4], abs=0.001)


async def test_a_faster_budget_makes_nobody_wait(
    database: Database, workflow: MadeWorkflow
) -> None:
    await admit(database, workflow, 50, max_requests_per_second=1000)

    assert await waits(database) == []


async def test_a_command_is_missed_only_after_its_time(
    database: Database, workflow: MadeWorkflow
) -> None:
    await admit(database, workflow, 50)

    early = await database.fetchval(
        "select count(*) from workflow_executions e"
        "  join outbox o on (o.body ->> 'execution_id')::uuid = e.id"
        " where o.claim is null and e.lease_until < o.available_at + interval '30 s'"
    )

    assert early == 0


async def test_commands_that_wait_for_their_time_are_not_late(
    database: Database, workflow: MadeWorkflow
) -> None:
    await admit(database, workflow, 200)

    figures = await Stats(database).figures()

    assert figures.outbox_messages < 60
    assert figures.outbox_oldest_seconds < 5
