"""Moves of many executions in one commit: each is judged as if it had been alone."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.db.pool import Database, open_database
from shared.db.submission import Binding, Submissions
from shared.domain.claims import SubmissionClaim
from shared.domain.errors import StaleTransition
from shared.domain.ids import AmcExecutionId
from tests.integration.builders import (
    MINUTE,
    MadeInstance,
    MadeWorkflow,
    make_execution,
    make_instance,
    row_of,
    state_of,
    states_of,
    timer_in,
)
from tests.integration.db.submitter import SETTLE


async def make_waiting(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow, number: int
) -> list[UUID]:
    return [await make_execution(database, instance, workflow, "submitting") for _ in range(number)]


async def claimed(database: Database, executions: list[UUID]) -> list[SubmissionClaim]:
    found = await Submissions(database).claim_all(executions, lease=MINUTE)
    return [each for each in found if isinstance(each, SubmissionClaim)]


def bound_as(claim: SubmissionClaim, name: str) -> Binding:
    return Binding(claim, AmcExecutionId(name), "PENDING", datetime.now(UTC))


async def test_claims_come_in_the_order_in_which_they_were_asked_for(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    waiting = await make_waiting(database, instance, workflow, 4)
    asked = [waiting[2], waiting[0], waiting[3], waiting[1]]

    claims = await claimed(database, asked)

    assert [claim.execution_id for claim in claims] == asked


async def test_one_that_is_not_waiting_is_refused_and_its_neighbours_are_claimed(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    first, held, last = await make_waiting(database, instance, workflow, 3)
    await claimed(database, [held])

    found = await Submissions(database).claim_all([first, held, last], lease=MINUTE)

    assert [isinstance(each, StaleTransition) for each in found] == [False, True, False]
    assert (await row_of(database, held))["fence"] == 1


async def test_of_two_deliveries_in_one_commit_one_claims(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    (execution,) = await make_waiting(database, instance, workflow, 1)

    found = await Submissions(database).claim_all([execution, execution], lease=MINUTE)

    assert [isinstance(each, StaleTransition) for each in found] == [False, True]
    assert (await row_of(database, execution))["fence"] == 1


async def test_a_cancellation_stops_its_own_intent_and_no_other(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    waiting = await make_waiting(database, instance, workflow, 2)
    claims = await claimed(database, waiting)
    await database.execute(
        "update workflow_executions set cancel_requested_at = clock_timestamp() where id = $1",
        waiting[0],
    )

    found = await Submissions(database).record_intents(
        [(claim, 22_000 + number) for number, claim in enumerate(claims)],
        settle_time=SETTLE,
        lease=MINUTE,
    )

    assert isinstance(found[0], StaleTransition)
    assert found[1] == 1
    assert await timer_in(database, "reconcile_execution", waiting[0]) is None
    assert await timer_in(database, "reconcile_execution", waiting[1]) is not None
    assert (await row_of(database, waiting[1]))["amc_timeout_seconds"] == 22_001


async def test_every_intent_has_an_attempt_and_a_settle_timer_of_its_own(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    claims = await claimed(database, await make_waiting(database, instance, workflow, 5))

    await Submissions(database).record_intents(
        [(claim, 22_000) for claim in claims], settle_time=SETTLE, lease=MINUTE
    )

    assert await database.fetchval("select count(*) from submission_attempts") == 5
    kinds = "select count(*) from timers where kind = 'reconcile_execution'"
    assert await database.fetchval(kinds) == 5


async def test_who_lost_the_claim_is_not_bound_and_the_others_are(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    waiting = await make_waiting(database, instance, workflow, 2)
    claims = await claimed(database, waiting)
    await database.execute(
        "update workflow_executions set fence = fence + 1 where id = $1", waiting[0]
    )

    found = await Submissions(database).bind_all(
        [bound_as(claim, f"amc-{number}") for number, claim in enumerate(claims)]
    )

    assert [isinstance(each, StaleTransition) for each in found] == [True, False]
    assert await states_of(database, waiting) == ["submitting", "pending"]
    assert await timer_in(database, "poll_instance", instance.key) is not None


async def test_an_id_that_has_an_owner_binds_none_of_them(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    await make_execution(database, instance, workflow, "pending", amc_execution_id="taken")
    waiting = await make_waiting(database, instance, workflow, 2)
    claims = await claimed(database, waiting)

    with pytest.raises(StaleTransition):
        await Submissions(database).bind_all(
            [bound_as(claims[0], "free"), bound_as(claims[1], "taken")]
        )

    assert await states_of(database, waiting) == ["submitting", "submitting"]


async def test_replicas_that_bind_on_the_same_instances_do_not_lock_each_other_out(
    database: Database, database_url: str, workflow: MadeWorkflow
) -> None:
    instances = [await make_instance(database) for _ in range(6)]
    waiting = [
        await make_execution(database, instance, workflow, "submitting")
        for _ in range(10)
        for instance in instances
    ]
    claims = await claimed(database, waiting)
    halves = claims[::2], claims[1::2][::-1]

    async with open_database(database_url, service="other") as other:
        await asyncio.gather(
            *(
                Submissions(each).bind_all(
                    [bound_as(claim, claim.execution_id.hex) for claim in half[first : first + 10]]
                )
                for each, half in zip((database, other), halves, strict=True)
                for first in range(0, 30, 10)
            )
        )

    assert {await state_of(database, execution) for execution in waiting} == {"pending"}
