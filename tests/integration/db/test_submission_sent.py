"""What an intent and a bind leave behind: the doubt, its settling, and the next look."""

from datetime import timedelta

import pytest

from shared.db.control import Control
from shared.db.pool import Database
from shared.db.submission import Submissions
from shared.db.timers import Timers
from shared.domain.errors import StaleTransition
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    commands,
    make_execution,
    make_instance,
    row_of,
    state_of,
    timer_in,
)
from tests.integration.db.submitter import SETTLE, bind, claim_one, intend, intended_one


async def test_an_intent_arms_its_own_settling_and_numbers_the_attempt(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    claim = await claim_one(database, instance, workflow)

    attempt = await intend(Submissions(database), claim)

    row = await row_of(database, claim.execution_id)
    wait = await timer_in(database, "reconcile_execution", claim.execution_id)
    noted = await database.fetchrow("select * from submission_attempts")
    assert attempt == row["attempt"] == 1
    assert row["settle_at"] - row["intent_at"] >= SETTLE
    assert wait is not None
    assert 115 < wait <= 120
    assert noted is not None
    assert (noted["timeout_seconds"], noted["outcome"]) == (22_000, "intended")


async def test_a_bind_settles_the_doubt_and_asks_for_a_look(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await intended_one(database, instance, workflow)

    await bind(submissions, claim)

    row = await row_of(database, claim.execution_id)
    look = await timer_in(database, "poll_instance", instance.key)
    assert (row["state"], row["amc_execution_id"]) == ("pending", "amc-1")
    assert (row["intent_at"], row["settle_at"], row["lease_owner"]) == (None, None, None)
    assert row["deadline_at"] == row["amc_created_at"] + timedelta(seconds=21_600)
    assert await timer_in(database, "reconcile_execution", claim.execution_id) is None
    assert look is not None
    assert 1 < look <= 2
    assert await database.fetchval("select outcome from submission_attempts") == "bound"


@pytest.mark.parametrize(
    ("next_look", "then"),
    [
        pytest.param(9, 9, id="it waits for the look that comes anyway"),
        pytest.param(40, 2, id="but not for one that is far off"),
        pytest.param(1, 1, id="and delays none"),
    ],
)
async def test_a_bind_asks_for_a_look_of_its_own_only_where_none_comes_soon(
    database: Database,
    instance: MadeInstance,
    workflow: MadeWorkflow,
    next_look: float,
    then: float,
) -> None:
    submissions = Submissions(database)
    claim = await intended_one(database, instance, workflow)
    wait = timedelta(seconds=next_look)
    await Timers(database).arm("poll_instance", str(instance.key), wait=wait, command={})

    await bind(submissions, claim)

    look = await timer_in(database, "poll_instance", instance.key)
    assert look is not None
    assert then - 1 < look <= then


async def test_a_second_bind_is_refused(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await intended_one(database, instance, workflow)
    await bind(submissions, claim)

    with pytest.raises(StaleTransition):
        await bind(submissions, claim, "amc-2")

    assert (await row_of(database, claim.execution_id))["amc_execution_id"] == "amc-1"


async def test_who_finds_its_answer_owned_by_another_stays_in_doubt(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    await make_execution(database, instance, workflow, "running", amc_execution_id="amc-1")
    claim = await intended_one(database, instance, workflow)

    with pytest.raises(StaleTransition):
        await bind(submissions, claim)

    row = await row_of(database, claim.execution_id)
    assert (row["state"], row["intent_at"] is not None) == ("submitting", True)
    assert await timer_in(database, "reconcile_execution", claim.execution_id) is not None


async def test_two_instances_may_each_have_an_execution_of_the_same_name(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    other = await make_instance(database)
    await make_execution(database, other, workflow, "running", amc_execution_id="amc-1")
    claim = await intended_one(database, instance, workflow)

    await bind(Submissions(database), claim)

    assert await state_of(database, claim.execution_id) == "pending"


async def test_a_bind_that_meets_a_cancellation_passes_it_on_to_amc(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await intended_one(database, instance, workflow)

    assert await Control(database).request_cancel(claim.execution_id, by="anna") == "submitting"
    await bind(submissions, claim)

    assert await commands(database, "cancel_execution") == [
        {"execution_id": str(claim.execution_id)}
    ]
