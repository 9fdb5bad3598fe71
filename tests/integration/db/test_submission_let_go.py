"""A submission that ends unbound: refused, cancelled, back in line or put off; and its slot."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any

from shared.db.control import Control
from shared.db.pool import Database
from shared.db.submission import Submissions
from shared.domain.errors import QueryRejected, StaleTransition
from tests.integration.builders import (
    MINUTE,
    MadeInstance,
    MadeWorkflow,
    accept,
    accept_and_admit,
    commands,
    make_execution,
    make_instance,
    make_request,
    row_of,
    state_of,
    states_of,
    timer_in,
)
from tests.integration.db.submitter import claim_one, intend, intended_one, postpone


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
    claim = await intended_one(database, instance, workflow)

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
