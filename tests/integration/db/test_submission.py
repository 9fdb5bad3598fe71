"""The submitter's moves: each a compare-and-set on (state, fence), each with all that follows."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.db.control import Control
from shared.db.pool import Database, open_database
from shared.db.submission import Submissions
from shared.db.timers import Timers
from shared.domain.claims import SubmissionClaim
from shared.domain.errors import QueryRejected, StaleTransition
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

SETTLE = timedelta(seconds=120)
Move = Callable[[Submissions, SubmissionClaim], Awaitable[Any]]


async def claim_one(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> SubmissionClaim:
    execution = await make_execution(database, instance, workflow, "submitting")
    return await Submissions(database).claim_for_submission(execution, lease=MINUTE)


async def intend(submissions: Submissions, claim: SubmissionClaim) -> int:
    return await submissions.record_intent(
        claim, timeout_seconds=22_000, settle_time=SETTLE, lease=MINUTE
    )


async def bind(submissions: Submissions, claim: SubmissionClaim, name: str = "amc-1") -> None:
    await submissions.bind(
        claim,
        amc_execution_id=AmcExecutionId(name),
        amc_status="PENDING",
        created_at=datetime.now(UTC),
    )


async def postpone(submissions: Submissions, claim: SubmissionClaim) -> None:
    await submissions.postpone(claim, wait=timedelta(seconds=7), reason="no token")


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
    claim = await claim_one(database, instance, workflow)
    await intend(submissions, claim)
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
    claim = await claim_one(database, instance, workflow)
    await intend(submissions, claim)

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
    claim = await claim_one(database, instance, workflow)
    await intend(submissions, claim)
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
    claim = await claim_one(database, instance, workflow)
    await intend(submissions, claim)
    await bind(submissions, claim)

    with pytest.raises(StaleTransition):
        await bind(submissions, claim, "amc-2")

    assert (await row_of(database, claim.execution_id))["amc_execution_id"] == "amc-1"


async def test_who_finds_its_answer_owned_by_another_stays_in_doubt(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    await make_execution(database, instance, workflow, "running", amc_execution_id="amc-1")
    claim = await claim_one(database, instance, workflow)
    await intend(submissions, claim)

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
    claim = await claim_one(database, instance, workflow)
    await intend(Submissions(database), claim)

    await bind(Submissions(database), claim)

    assert await state_of(database, claim.execution_id) == "pending"


async def test_a_bind_that_meets_a_cancellation_passes_it_on_to_amc(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await claim_one(database, instance, workflow)
    await intend(submissions, claim)

    assert await Control(database).request_cancel(claim.execution_id, by="anna") == "submitting"
    await bind(submissions, claim)

    assert await commands(database, "cancel_execution") == [
        {"execution_id": str(claim.execution_id)}
    ]


async def test_a_refusal_ends_the_execution_and_hands_its_slot_on(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=1)
    claim = await claim_one(database, instance, workflow)
    (waiting,) = await accept(database, make_request(instance, workflow))
    await intend(Submissions(database), claim)

    await Submissions(database).mark_failed(claim, QueryRejected("AMC says no"))

    row = await row_of(database, claim.execution_id)
    assert (row["state"], row["error_code"], row["error_message"]) == (
        "failed",
        "query_rejected",
        "AMC says no",
    )
    assert row["error_hint"].startswith("Correct the workflow")
    assert row["intent_at"] is None
    assert await state_of(database, waiting) == "submitting"
    assert await commands(database, "submit_execution") == [{"execution_id": str(waiting)}]
    assert await timer_in(database, "reconcile_execution", claim.execution_id) is None
    assert await database.fetchval("select outcome from submission_attempts") == "refused"


async def test_a_cancellation_before_anything_was_sent_hands_the_slot_on(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=1)
    claim = await claim_one(database, instance, workflow)
    (waiting,) = await accept(database, make_request(instance, workflow))

    await Submissions(database).mark_cancelled(claim)

    assert await states_of(database, [claim.execution_id, waiting]) == ["cancelled", "submitting"]


async def test_a_requeued_execution_keeps_its_turn_and_lets_its_instance_rest(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=1)
    first, second = await accept_and_admit(
        database, make_request(instance, workflow), make_request(instance, workflow)
    )
    submissions = Submissions(database)
    claim = await submissions.claim_for_submission(first, lease=MINUTE)
    turn = (await row_of(database, first))["turn"]
    await intend(submissions, claim)

    await submissions.requeue(
        claim, reason="AMC is full", pause=timedelta(seconds=30), outcome="throttled"
    )

    row = await row_of(database, first)
    wait = await timer_in(database, "admit_instance", instance.key)
    assert (row["state"], row["turn"], row["intent_at"]) == ("queued", turn, None)
    assert await state_of(database, second) == "queued"
    assert wait is not None
    assert 25 < wait <= 30
    assert await database.fetchval("select outcome from submission_attempts") == "throttled"
    await database.execute("update instance_gates set admit_after = '-infinity'")
    assert await Control(database).admit([instance.key]) == 1
    assert await states_of(database, [first, second]) == ["submitting", "queued"]


async def test_a_requeued_execution_gives_its_slot_to_another_instance_of_the_account(
    database: Database, workflow: MadeWorkflow
) -> None:
    held = await make_instance(database)
    await database.execute("update amc_accounts set max_concurrent_executions = 1")
    other = await make_instance(database, held.account)
    claim = await claim_one(database, held, workflow)
    (waiting,) = await accept(database, make_request(other, workflow))
    await Control(database).pause_instance(held.key, by="anna", reason="audit")

    await Submissions(database).requeue(claim, reason="the instance is paused")

    assert await states_of(database, [claim.execution_id, waiting]) == ["queued", "submitting"]


async def test_a_postponed_command_comes_back_by_its_timer_and_holds_its_slot(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await claim_one(database, instance, workflow)
    await intend(submissions, claim)

    await postpone(submissions, claim)

    row = await row_of(database, claim.execution_id)
    wait = await timer_in(database, "submit_execution", claim.execution_id)
    assert (row["state"], row["intent_at"], row["lease_owner"]) == ("submitting", None, None)
    assert row["postponed_count"] == 1
    assert wait is not None
    assert 5 < wait <= 7
    assert await timer_in(database, "reconcile_execution", claim.execution_id) is None
    again = await submissions.claim_for_submission(claim.execution_id, lease=MINUTE)
    assert again.attempt == 1
    assert await timer_in(database, "submit_execution", claim.execution_id) is None


async def test_a_missed_turn_lengthens_no_later_wait(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await claim_one(database, instance, workflow)

    await submissions.postpone(claim, wait=timedelta(milliseconds=100), reason="permit expired")

    assert (await row_of(database, claim.execution_id))["postponed_count"] == 0


async def test_a_workflow_that_amc_forgot_is_not_taken_for_known(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    await submissions.remember_workflow(instance.key, workflow.amc_workflow_id)
    await submissions.remember_workflow(instance.key, workflow.amc_workflow_id)
    await submissions.forget_workflow(instance.key, workflow.amc_workflow_id)

    claim = await claim_one(database, instance, workflow)

    assert not claim.is_workflow_known


async def test_after_a_cancellation_nothing_is_sent_and_each_race_has_one_outcome(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=1000)
    submissions, control = Submissions(database), Control(database)

    async def submit(execution: Any) -> str:
        try:
            claim = await submissions.claim_for_submission(execution, lease=MINUTE)
            if claim.is_cancel_requested:
                await submissions.mark_cancelled(claim)
                return "cancelled"
            await intend(submissions, claim)
        except StaleTransition:
            cancelled = "claim" in locals() and await submissions.cancel_if_requested(claim)
            return "cancelled" if cancelled else "stale"
        return "intended"

    async def cancel(execution: Any) -> str:
        await asyncio.sleep(random.uniform(0, 0.004))
        return await control.request_cancel(execution, by="anna")

    async def race(_: int) -> tuple[str, str]:
        execution = await make_execution(database, instance, workflow, "submitting")
        sent, asked = await asyncio.gather(submit(execution), cancel(execution))
        state = await state_of(database, execution)
        assert (state == "cancelled") == (sent in ("cancelled", "stale"))
        assert (state == "submitting") == (sent == "intended")
        assert asked in ("cancelled", "submitting")
        return sent, asked

    outcomes: Counter[tuple[str, str]] = Counter()
    for _ in range(25):
        outcomes.update(await asyncio.gather(*(race(each) for each in range(8))))

    assert outcomes.total() == 200
    assert ("intended", "cancelled") not in outcomes
    assert (
        await database.fetchval(
            "select count(*) from submission_attempts a join workflow_executions e"
            " on e.id = a.execution_id where e.cancel_requested_at < a.intent_at"
        )
        == 0
    )
