"""Settling a doubt: who may, what is bound, and what is given up."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.db.control import Control
from shared.db.pool import Database
from shared.db.submission import Submissions
from shared.domain.claims import DoubtClaim
from shared.domain.errors import StaleTransition
from shared.domain.ids import AmcExecutionId
from tests.integration.builders import (
    MINUTE,
    MadeInstance,
    MadeWorkflow,
    accept,
    accept_and_admit,
    commands,
    gathered,
    make_execution,
    make_instance,
    make_request,
    row_of,
    state_of,
    states_of,
    timer_in,
)
from tests.integration.db.submitter import claim_one, intend

NOW = datetime.now(UTC)
OLDER = (AmcExecutionId("amc-older"), "RUNNING", NOW - timedelta(seconds=2))
NEWER = (AmcExecutionId("amc-newer"), "PENDING", NOW - timedelta(seconds=1))


async def in_doubt(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> DoubtClaim:
    """An execution whose create got no answer, held by a reconciler."""
    submissions = Submissions(database)
    claim = await claim_one(database, instance, workflow)
    await intend(submissions, claim, settle_time=timedelta(0), lease=timedelta(0))
    return await submissions.claim_for_reconciliation(claim.execution_id, lease=MINUTE)


async def adopt(
    database: Database, claim: DoubtClaim, *candidates: tuple[AmcExecutionId, str, datetime]
) -> AmcExecutionId | None:
    return await Submissions(database).adopt_oldest_unowned(claim, candidates, fingerprint="same")


async def test_a_doubt_is_left_alone_until_its_settle_time_is_over(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await claim_one(database, instance, workflow)
    await intend(submissions, claim, settle_time=MINUTE, lease=timedelta(0))

    with pytest.raises(StaleTransition, match="not yet settled"):
        await submissions.claim_for_reconciliation(claim.execution_id, lease=MINUTE)


async def test_a_worker_that_may_still_be_sending_is_left_alone(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await claim_one(database, instance, workflow)
    await intend(submissions, claim, settle_time=timedelta(0), lease=MINUTE)

    with pytest.raises(StaleTransition):
        await submissions.claim_for_reconciliation(claim.execution_id, lease=MINUTE)


async def test_an_execution_that_was_never_sent_is_not_in_doubt(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(database, instance, workflow, "submitting")

    with pytest.raises(StaleTransition):
        await Submissions(database).claim_for_reconciliation(execution, lease=MINUTE)


async def test_of_eight_reconcilers_of_one_doubt_a_single_one_claims(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await in_doubt(database, instance, workflow)
    await submissions.postpone_reconciliation(claim, wait=timedelta(0))

    outcomes = await gathered(
        [submissions.claim_for_reconciliation(claim.execution_id, lease=MINUTE) for _ in range(8)]
    )

    assert sum(isinstance(outcome, DoubtClaim) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, StaleTransition) for outcome in outcomes) == 7


async def test_the_oldest_match_that_nobody_owns_is_adopted(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    claim = await in_doubt(database, instance, workflow)

    adopted = await adopt(database, claim, OLDER, NEWER)

    row = await row_of(database, claim.execution_id)
    assert adopted == row["amc_execution_id"] == "amc-older"
    assert (row["state"], row["amc_status"]) == ("pending", "RUNNING")
    assert row["deadline_at"] == OLDER[2] + timedelta(seconds=21_600)
    assert await timer_in(database, "reconcile_execution", claim.execution_id) is None
    assert await timer_in(database, "poll_instance", instance.key) is not None


async def test_what_another_row_owns_is_passed_over(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    await make_execution(database, instance, workflow, "completed", amc_execution_id="amc-older")
    claim = await in_doubt(database, instance, workflow)

    adopted = await adopt(database, claim, OLDER, NEWER)

    assert adopted == "amc-newer"


async def test_a_stray_that_is_being_cancelled_is_passed_over(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    claim = await in_doubt(database, instance, workflow)
    await database.execute(
        "insert into stray_executions (instance_id, amc_execution_id, execution_id, attempt)"
        " values ($1, 'amc-older', $2, 1)",
        instance.key,
        claim.execution_id,
    )

    adopted = await adopt(database, claim, OLDER, NEWER)

    assert adopted == "amc-newer"


async def test_with_nothing_unowned_nothing_is_bound(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    claim = await in_doubt(database, instance, workflow)

    adopted = await adopt(database, claim)

    assert adopted is None
    assert await state_of(database, claim.execution_id) == "submitting"


async def test_reconcilers_of_equal_requests_bind_different_executions(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    claims = [await in_doubt(database, instance, workflow) for _ in range(6)]
    candidates = [(AmcExecutionId(f"amc-{number}"), "PENDING", NOW) for number in range(4)]

    adopted = await asyncio.gather(*(adopt(database, claim, *candidates) for claim in claims))

    assert sorted(filter(None, adopted)) == ["amc-0", "amc-1", "amc-2", "amc-3"]
    assert adopted.count(None) == 2


async def test_who_was_overtaken_adopts_nothing(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    claim = await in_doubt(database, instance, workflow)

    with pytest.raises(StaleTransition):
        await adopt(database, replace(claim, fence=claim.fence - 1), OLDER)

    assert await state_of(database, claim.execution_id) == "submitting"


async def test_an_attempt_that_amc_never_saw_is_sent_again(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await in_doubt(database, instance, workflow)

    outcome = await submissions.give_up_attempt(claim)

    assert outcome == "resubmitted"
    assert await commands(database, "submit_execution") == [
        {"execution_id": str(claim.execution_id)}
    ]
    assert await timer_in(database, "reconcile_execution", claim.execution_id) is None
    assert await database.fetchval("select outcome from submission_attempts") == "given_up"
    again = await submissions.claim_for_submission(claim.execution_id, lease=MINUTE)
    assert (
        await submissions.record_intent(
            again, timeout_seconds=22_001, settle_time=MINUTE, lease=MINUTE
        )
        == 2
    )


async def test_a_doubt_with_a_cancellation_ends_cancelled_and_hands_its_slot_on(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=1)
    claim = await in_doubt(database, instance, workflow)
    (waiting,) = await accept(database, make_request(instance, workflow))
    await Control(database).request_cancel(claim.execution_id, by="anna")

    outcome = await Submissions(database).give_up_attempt(claim)

    assert outcome == "cancelled"
    assert await states_of(database, [claim.execution_id, waiting]) == ["cancelled", "submitting"]


async def test_a_doubt_that_ends_cancelled_leaves_no_queue_timeout(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    (execution,) = await accept_and_admit(
        database, make_request(instance, workflow, queue_timeout_seconds=3600)
    )
    claim = await submissions.claim_for_submission(execution, lease=MINUTE)
    await intend(submissions, claim, settle_time=timedelta(0), lease=timedelta(0))
    doubt = await submissions.claim_for_reconciliation(execution, lease=MINUTE)
    await Control(database).request_cancel(execution, by="anna")

    await submissions.give_up_attempt(doubt)

    assert await timer_in(database, "expire_execution", execution) is None


async def test_who_was_overtaken_gives_nothing_up(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    claim = await in_doubt(database, instance, workflow)
    before = await row_of(database, claim.execution_id)

    with pytest.raises(StaleTransition):
        await Submissions(database).give_up_attempt(replace(claim, fence=claim.fence - 1))

    assert await row_of(database, claim.execution_id) == before


async def test_a_reconciliation_that_amc_did_not_answer_keeps_the_doubt_and_the_slot(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=1)
    claim = await in_doubt(database, instance, workflow)
    (waiting,) = await accept(database, make_request(instance, workflow))

    await Submissions(database).postpone_reconciliation(claim, wait=timedelta(seconds=9))

    row = await row_of(database, claim.execution_id)
    wait = await timer_in(database, "reconcile_execution", claim.execution_id)
    assert (row["state"], row["intent_at"] is not None) == ("submitting", True)
    assert wait is not None
    assert 7 < wait <= 9
    assert await Control(database).admit([instance.key]) == 0
    assert await state_of(database, waiting) == "queued"
