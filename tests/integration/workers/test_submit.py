"""One SubmitExecution command: every answer of AMC ends in the right move."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.db.control import Control
from shared.db.rate_budget import RateBudgets
from shared.domain.errors import (
    AmcConcurrencyReached,
    AmcThrottled,
    AmcUnavailable,
    DatabaseUnavailable,
    InDoubtError,
    InstanceForbidden,
    PermitExpired,
    QueryRejected,
    RemoteNotFound,
    StaleTransition,
    TokenExpired,
)
from shared.messaging.messages import SubmitExecution
from shared.runtime.permits import BudgetPermits
from tests.integration.builders import accept, commands, make_request, state_of, timer_in
from tests.integration.workers.bench import Bench, Flaky

SOON = timedelta(seconds=9)


async def outcomes(bench: Bench) -> list[str]:
    rows = await bench.database.fetch("select outcome from submission_attempts order by attempt")
    return [row["outcome"] for row in rows]


async def test_an_execution_is_made_at_amc_and_bound(bench: Bench) -> None:
    execution = await bench.execution(parameters={"brand": "a"})

    await bench.submit(execution)

    row = await bench.row(execution)
    (remote,) = bench.amc.executions.values()
    assert (row["state"], row["amc_execution_id"]) == ("pending", remote.amc_execution_id)
    assert remote.parameter_values == {"brand": "a"}
    assert remote.timeout_seconds == row["amc_timeout_seconds"] >= 21_600
    assert await timer_in(bench.database, "poll_instance", bench.instance.key) is not None
    assert await outcomes(bench) == ["bound"]


async def test_the_workflow_is_made_first_and_only_once(bench: Bench) -> None:
    for _ in range(3):
        await bench.submit(await bench.execution())

    assert bench.amc.count("create_workflow") == 1
    assert bench.amc.calls[0] == ("create_workflow", bench.workflow.amc_workflow_id)


async def test_a_crowd_of_first_executions_makes_the_workflow_once(bench: Bench) -> None:
    handler = bench.submitter()
    executions = [await bench.execution() for _ in range(8)]

    await asyncio.gather(
        *(handler(SubmitExecution(execution_id=execution)) for execution in executions)
    )

    assert bench.amc.count("create_workflow") == 1


async def test_when_the_first_cannot_make_the_workflow_the_next_one_does(bench: Bench) -> None:
    handler = bench.submitter()
    executions = [await bench.execution() for _ in range(3)]
    bench.amc.will("create_workflow", AmcUnavailable("away"))

    await asyncio.gather(
        *(handler(SubmitExecution(execution_id=execution)) for execution in executions)
    )

    assert bench.amc.count("create_workflow") == 2


async def test_the_connection_is_there_before_the_permit_is_booked(bench: Bench) -> None:
    await bench.submit(await bench.execution())

    names = [name for name, _ in bench.amc.calls]
    assert names.index("warm_up") < names.index("create_execution")


async def test_a_second_delivery_changes_nothing(bench: Bench) -> None:
    execution = await bench.execution()
    await bench.submit(execution)
    before = await bench.row(execution)

    with pytest.raises(StaleTransition):
        await bench.submit(execution)

    assert await bench.row(execution) == before
    assert bench.amc.count("create_execution") == 1


async def test_a_command_for_an_execution_that_is_gone_is_none_of_our_business(
    bench: Bench,
) -> None:
    execution = await bench.execution()
    await bench.database.execute("delete from workflow_executions")

    with pytest.raises(StaleTransition):
        await bench.submit(execution)

    assert bench.amc.calls == []


@pytest.mark.parametrize("error", [QueryRejected("no such column"), InstanceForbidden("not yours")])
async def test_a_refusal_fails_the_execution_with_amcs_words(
    bench: Bench, error: QueryRejected | InstanceForbidden
) -> None:
    execution = await bench.execution()
    bench.amc.will("create_execution", error)

    await bench.submit(execution)

    row = await bench.row(execution)
    assert (row["state"], row["error_code"], row["error_message"], row["error_hint"]) == (
        "failed",
        error.code,
        error.message,
        error.hint,
    )
    assert await outcomes(bench) == ["refused"]


async def test_sql_that_amc_does_not_take_fails_before_anything_is_sent(bench: Bench) -> None:
    execution = await bench.execution()
    bench.amc.will("create_workflow", QueryRejected("syntax error at line 1"))

    await bench.submit(execution)

    row = await bench.row(execution)
    assert (row["state"], row["error_message"]) == ("failed", "syntax error at line 1")
    assert await outcomes(bench) == []


@pytest.mark.parametrize("call", ["create_workflow", "create_execution"])
async def test_throttling_waits_as_long_as_amazon_asks_and_holds_everybody(
    bench: Bench, call: str
) -> None:
    execution = await bench.execution()
    bench.amc.will(call, AmcThrottled("slow down", wait=SOON))

    await bench.submit(execution)

    row = await bench.row(execution)
    wait = await timer_in(bench.database, "submit_execution", execution)
    assert (row["state"], row["intent_at"]) == ("submitting", None)
    assert wait is not None
    assert 7 < wait <= 9
    assert 7 < await bench.budget_pause() <= 9


async def test_throttling_without_a_hint_waits_all_the_same(bench: Bench) -> None:
    execution = await bench.execution()
    bench.amc.will("create_execution", AmcThrottled("slow down"))

    await bench.submit(execution)

    assert await bench.budget_pause() > 0
    assert await outcomes(bench) == ["throttled"]


async def test_an_amc_that_is_full_gets_the_execution_back_in_line(bench: Bench) -> None:
    execution = await bench.execution()
    (waiting,) = await accept(bench.database, make_request(bench.instance, bench.workflow))
    bench.amc.will("create_execution", AmcConcurrencyReached("100 running", wait=SOON))

    await bench.submit(execution)

    wait = await timer_in(bench.database, "admit_instance", bench.instance.key)
    assert await state_of(bench.database, execution) == "queued"
    assert await state_of(bench.database, waiting) == "queued"
    assert wait is not None
    assert 7 < wait <= 9
    assert await outcomes(bench) == ["throttled"]
    assert await Control(bench.database).admit([bench.instance.key]) == 0


@pytest.mark.parametrize(
    "error", [AmcUnavailable("no route"), PermitExpired("too late")], ids=["away", "late"]
)
async def test_what_was_not_sent_is_tried_again_by_a_timer(
    bench: Bench, error: AmcUnavailable | PermitExpired
) -> None:
    execution = await bench.execution()
    bench.amc.will("create_execution", error)

    await bench.submit(execution)
    postponed = await timer_in(bench.database, "submit_execution", execution)
    await bench.submit(execution)

    assert postponed is not None
    assert await state_of(bench.database, execution) == "pending"
    assert len(bench.amc.executions) == 1
    assert await outcomes(bench) == ["not_sent", "bound"]


async def test_a_paused_instance_keeps_no_lane_waiting(bench: Bench) -> None:
    execution = await bench.execution()
    budgets = RateBudgets(bench.database)
    await budgets.pause(bench.instance.key, timedelta(seconds=40))
    handler = replace(bench.submitter(None), permits=BudgetPermits(budgets))

    await handler(SubmitExecution(execution_id=execution))

    postponed = await timer_in(bench.database, "submit_execution", execution)
    assert postponed is not None
    assert 35 < postponed <= 41
    assert bench.amc.count("create_execution") == 0


async def test_in_doubt_nothing_is_repeated_and_the_slot_is_kept(bench: Bench) -> None:
    execution = await bench.execution()
    bench.amc.will("create_execution", InDoubtError("no answer"))

    await bench.submit(execution)

    row = await bench.row(execution)
    wait = await timer_in(bench.database, "reconcile_execution", execution)
    assert (row["state"], row["intent_at"] is not None) == ("submitting", True)
    assert wait is not None
    assert 115 < wait <= 120
    with pytest.raises(StaleTransition):
        await bench.submit(execution)
    assert bench.amc.count("create_execution") == 1


async def test_a_refused_token_asks_for_a_newer_one_and_waits(bench: Bench) -> None:
    execution = await bench.execution()
    bench.amc.will("create_execution", TokenExpired("401"))

    await bench.submit(execution)

    assert await state_of(bench.database, execution) == "submitting"
    assert await timer_in(bench.database, "submit_execution", execution) is not None
    assert len(await commands(bench.database, "refresh_credential")) == 1
    assert await outcomes(bench) == ["refused"]


async def test_without_a_token_nothing_is_sent_and_a_refresh_is_asked_for_once(
    bench: Bench,
) -> None:
    executions = [await bench.execution() for _ in range(5)]
    await bench.let_the_token_expire()

    for execution in executions:
        await bench.submit(execution)

    assert bench.amc.calls == []
    assert len(await commands(bench.database, "refresh_credential")) == 1
    assert await timer_in(bench.database, "submit_execution", executions[4]) is not None


async def test_a_workflow_that_somebody_deleted_is_made_again(bench: Bench) -> None:
    execution = await bench.execution()
    bench.amc.will("create_execution", RemoteNotFound("workflow with ID x does not exist"))

    await bench.submit(execution)
    await bench.submit(execution)

    assert await state_of(bench.database, execution) == "pending"
    assert bench.amc.count("create_workflow") == 2
    assert await outcomes(bench) == ["refused", "bound"]


async def test_a_workflow_that_keeps_vanishing_fails_the_execution(bench: Bench) -> None:
    execution = await bench.execution(postponed_count=10)
    bench.amc.will("create_execution", RemoteNotFound("workflow with ID x does not exist"))

    await bench.submit(execution)

    row = await bench.row(execution)
    assert (row["state"], row["error_code"]) == ("failed", "remote_not_found")


async def test_a_paused_instance_gets_its_execution_back_in_line(bench: Bench) -> None:
    execution = await bench.execution()
    await Control(bench.database).pause_instance(bench.instance.key, by="anna", reason="audit")

    await bench.submit(execution)

    assert await state_of(bench.database, execution) == "queued"
    assert bench.amc.calls == []


async def test_an_execution_that_was_cancelled_before_the_claim_is_not_sent(bench: Bench) -> None:
    execution = await bench.execution()
    await bench.database.execute(
        "update workflow_executions set cancel_requested_at = clock_timestamp()"
    )

    await bench.submit(execution)

    assert await state_of(bench.database, execution) == "cancelled"
    assert bench.amc.calls == []


async def test_a_cancellation_between_claim_and_intent_ends_it_unsent(bench: Bench) -> None:
    execution = await bench.execution()

    class CancelledMeanwhile(Flaky):
        """The user is faster than the rate budget."""

        async def record_intent(self, *arguments: object, **named: object) -> int:
            await Control(bench.database).request_cancel(execution, by="anna")
            return await bench.submissions.record_intent(*arguments, **named)  # type: ignore[arg-type]

    with pytest.raises(StaleTransition):
        await bench.submit(execution, CancelledMeanwhile(bench.submissions, ""))

    assert await state_of(bench.database, execution) == "cancelled"
    assert bench.amc.executions == {}


async def test_a_database_that_is_away_when_the_answer_comes_is_tried_again(
    bench: Bench,
) -> None:
    execution = await bench.execution()
    away = [DatabaseUnavailable("away")] * 2

    await bench.submit(execution, Flaky(bench.submissions, "bind", *away))

    assert await state_of(bench.database, execution) == "pending"
    assert len(bench.slept) == 2


async def test_a_database_that_stays_away_leaves_a_doubt_that_settles_to_the_same_execution(
    bench: Bench,
) -> None:
    execution = await bench.execution()
    away = [DatabaseUnavailable("away")] * 3

    with pytest.raises(DatabaseUnavailable):
        await bench.submit(execution, Flaky(bench.submissions, "bind", *away))
    await bench.settle()
    await bench.reconcile(execution)

    row = await bench.row(execution)
    assert (row["state"], row["amc_execution_id"]) == ("pending", *bench.amc.executions)


async def test_a_commit_whose_answer_was_lost_is_found_done(bench: Bench) -> None:
    execution = await bench.execution()
    lost = Flaky(bench.submissions, "bind", DatabaseUnavailable("cut"), after=True)

    with pytest.raises(StaleTransition):
        await bench.submit(execution, lost)

    assert await state_of(bench.database, execution) == "pending"
    assert len(bench.amc.executions) == 1


@pytest.mark.parametrize("step", ["remember_workflow", "record_intent"])
async def test_a_database_that_is_away_before_the_call_means_that_nothing_is_sent(
    bench: Bench, step: str
) -> None:
    execution = await bench.execution()

    with pytest.raises(DatabaseUnavailable):
        await bench.submit(execution, Flaky(bench.submissions, step, DatabaseUnavailable("away")))

    assert bench.amc.executions == {}
