"""The submitter's claim: who gets it, what it tells, and that nothing moves without it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.db.control import Control
from shared.db.pool import Database, open_database
from shared.db.submission import Submissions
from shared.domain.claims import SubmissionClaim
from shared.domain.errors import QueryRejected, StaleTransition
from tests.integration.builders import (
    MINUTE,
    MadeInstance,
    MadeWorkflow,
    gathered,
    make_execution,
    make_instance,
    row_of,
)
from tests.integration.db.submitter import bind, claim_one, intend, intended_one, postpone

Move = Callable[[Submissions, SubmissionClaim], Awaitable[Any]]

MOVES: dict[str, Move] = {
    "record_intent": intend,
    "bind": bind,
    "mark_failed": lambda submissions, claim: submissions.mark_failed(claim, QueryRejected("no")),
    "mark_cancelled": lambda submissions, claim: submissions.mark_cancelled(claim),
    "requeue": lambda submissions, claim: submissions.requeue(claim, reason="paused"),
    "postpone": postpone,
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
async def test_a_worker_that_was_given_up_for_dead_changes_nothing(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow, move: Move
) -> None:
    claim = await claim_one(database, instance, workflow)
    before = await row_of(database, claim.execution_id)

    with pytest.raises(StaleTransition):
        await move(Submissions(database), replace(claim, fence=claim.fence - 1))

    assert await row_of(database, claim.execution_id) == before
    assert await database.fetchval("select count(*) from timers") == 0
    assert await database.fetchval("select count(*) from outbox") == 0


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize(
    "state", ["queued", "pending", "running", "downloading", "completed", "failed", "cancelled"]
)
async def test_a_move_out_of_submitting_is_refused_in_any_other_state(
    database: Database,
    instance: MadeInstance,
    workflow: MadeWorkflow,
    state: str,
    move: Move,
) -> None:
    claim = await claim_one(database, instance, workflow)
    other = await make_execution(database, instance, workflow, state, fence=claim.fence)
    before = await row_of(database, other)

    with pytest.raises(StaleTransition):
        await move(Submissions(database), replace(claim, execution_id=other))

    assert await row_of(database, other) == before


async def test_of_sixteen_workers_with_one_command_a_single_one_claims(
    database: Database, database_url: str, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(database, instance, workflow, "submitting")

    async with open_database(database_url, service="other", max_size=8) as other:
        outcomes = await gathered(
            [
                Submissions(each).claim_for_submission(execution, lease=MINUTE)
                for each in (database, other) * 8
            ]
        )

    claims = [outcome for outcome in outcomes if isinstance(outcome, SubmissionClaim)]
    assert len(claims) == 1
    assert sum(isinstance(outcome, StaleTransition) for outcome in outcomes) == 15
    assert claims[0].fence == 1


async def test_a_lease_that_ran_out_lets_the_next_worker_in_and_locks_the_first_out(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    execution = await make_execution(database, instance, workflow, "submitting")
    slow = await submissions.claim_for_submission(execution, lease=timedelta(0))

    quick = await submissions.claim_for_submission(execution, lease=MINUTE)

    assert quick.fence == slow.fence + 1
    with pytest.raises(StaleTransition):
        await intend(submissions, slow)
    assert await intend(submissions, quick) == 1


async def test_nobody_sends_on_a_lease_that_has_run_out(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    execution = await make_execution(database, instance, workflow, "submitting")
    claim = await submissions.claim_for_submission(execution, lease=timedelta(0))

    with pytest.raises(StaleTransition):
        await intend(submissions, claim)


async def test_after_the_intent_no_worker_claims_for_submission_again(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await intended_one(database, instance, workflow)
    await database.execute("update workflow_executions set lease_until = clock_timestamp()")

    with pytest.raises(StaleTransition):
        await submissions.claim_for_submission(claim.execution_id, lease=MINUTE)


async def test_a_claim_tells_all_that_is_needed_to_send(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, amc_instance_id="amcshown", region="EU")
    submissions = Submissions(database)
    await submissions.remember_workflow(instance.key, workflow.amc_workflow_id)
    execution = await make_execution(
        database, instance, workflow, "submitting", parameters={"brand": "a"}
    )

    claim = await submissions.claim_for_submission(execution, lease=MINUTE)

    assert claim.destination.amc_instance_id == "amcshown"
    assert claim.destination.region == "EU"
    assert claim.run.parameters == {"brand": "a"}
    assert claim.sql_query == "select 1 as one from t"
    assert (claim.is_workflow_known, claim.is_held, claim.is_cancel_requested) == (
        True,
        False,
        False,
    )


async def test_a_claim_on_a_paused_instance_says_so(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    await Control(database).pause_instance(instance.key, by="anna", reason="audit")

    claim = await claim_one(database, instance, workflow)

    assert claim.is_held


async def test_a_workflow_that_amc_forgot_is_not_taken_for_known(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    await submissions.remember_workflow(instance.key, workflow.amc_workflow_id)
    await submissions.remember_workflow(instance.key, workflow.amc_workflow_id)
    await submissions.forget_workflow(instance.key, workflow.amc_workflow_id)

    claim = await claim_one(database, instance, workflow)

    assert not claim.is_workflow_known
