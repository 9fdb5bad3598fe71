"""One ReconcileExecution command: did a create without an answer reach AMC?"""

import asyncio
from datetime import datetime, timedelta

import pytest

from services.submitter.reconcile_handler import candidates_for, fingerprint_of
from shared.db.control import Control
from shared.domain.errors import (
    AmcThrottled,
    AmcUnavailable,
    InDoubtError,
    InstanceForbidden,
    StaleTransition,
)
from tests.integration.builders import commands, state_of, timer_in
from tests.integration.workers.bench import LEASE, Bench


async def doubt(bench: Bench, *, reached: bool, **overrides: object):
    """A create that got no answer; AMC has it or not."""
    execution = await bench.execution(**overrides)

    def vanish() -> InDoubtError:
        if reached:
            bench.amc.make(
                f"reached-{execution.hex}",
                workflow=bench.workflow.amc_workflow_id,
                parameter_values=overrides.get("parameters", {}),
            )
        return InDoubtError("no answer")

    bench.amc.will("create_execution", vanish)
    await bench.submit(execution)
    await bench.settle()
    return execution


async def test_what_reached_amc_is_adopted_and_not_repeated(bench: Bench) -> None:
    execution = await doubt(bench, reached=True)

    await bench.reconcile(execution)

    row = await bench.row(execution)
    assert (row["state"], row["amc_execution_id"]) == ("pending", f"reached-{execution.hex}")
    assert await commands(bench.database, "submit_execution") == []


async def test_what_never_reached_amc_is_sent_again(bench: Bench) -> None:
    execution = await doubt(bench, reached=False)

    await bench.reconcile(execution)
    await bench.submit(execution)

    assert await state_of(bench.database, execution) == "pending"
    assert len(bench.amc.executions) == 1
    assert (await bench.row(execution))["attempt"] == 2


async def test_a_redelivered_reconciliation_finds_nothing_to_settle(bench: Bench) -> None:
    execution = await doubt(bench, reached=True)
    await bench.reconcile(execution)

    with pytest.raises(StaleTransition):
        await bench.reconcile(execution)


async def test_of_equal_requests_each_finds_an_execution_of_its_own(bench: Bench) -> None:
    executions = [await doubt(bench, reached=number != 2) for number in range(4)]

    await asyncio.gather(*(bench.reconcile(execution) for execution in executions))

    rows = [await bench.row(execution) for execution in executions]
    bound = {row["amc_execution_id"] for row in rows} - {None}
    assert bound == set(bench.amc.executions)
    assert len(await commands(bench.database, "submit_execution")) == 1


async def test_a_request_that_differs_is_not_adopted(bench: Bench) -> None:
    execution = await doubt(bench, reached=False, parameters={"brand": "a"})
    bench.amc.make(workflow=bench.workflow.amc_workflow_id, parameter_values={"brand": "b"})
    bench.amc.make(workflow="wf_other", parameter_values={"brand": "a"})
    bench.amc.make(
        workflow=bench.workflow.amc_workflow_id,
        parameter_values={"brand": "a"},
        timeout_seconds=86_399,
    )

    await bench.reconcile(execution)

    assert (await bench.row(execution))["amc_execution_id"] is None
    assert len(await commands(bench.database, "submit_execution")) == 1


async def test_the_list_is_asked_for_since_well_before_the_intent(bench: Bench) -> None:
    execution = await doubt(bench, reached=True)
    intent_at = (await bench.row(execution))["intent_at"]

    await bench.reconcile(execution)

    assert bench.amc.since == [intent_at - timedelta(seconds=240)]


async def test_every_page_of_the_list_is_read(bench: Bench) -> None:
    bench.amc.page_size = 2
    execution = await doubt(bench, reached=True)
    for _ in range(5):
        bench.amc.make(workflow=bench.workflow.amc_workflow_id, timeout_seconds=1)

    await bench.reconcile(execution)

    assert await state_of(bench.database, execution) == "pending"
    assert bench.amc.count("list_executions") == 3


@pytest.mark.parametrize(
    ("error", "least"),
    [
        (AmcUnavailable("away", wait=timedelta(seconds=7)), 5),
        (AmcThrottled("slow", wait=timedelta(seconds=7)), 5),
        (InstanceForbidden("not yours"), 55),
    ],
    ids=["away", "throttled", "forbidden"],
)
async def test_as_long_as_amc_cannot_be_asked_the_doubt_stays(
    bench: Bench, error: Exception, least: float
) -> None:
    execution = await doubt(bench, reached=True)
    bench.amc.will("list_executions", error)

    await bench.reconcile(execution)

    row = await bench.row(execution)
    wait = await timer_in(bench.database, "reconcile_execution", execution)
    assert (row["state"], row["intent_at"] is not None) == ("submitting", True)
    assert wait is not None
    assert wait > least
    assert (await bench.budget_pause() > 0) == isinstance(error, AmcThrottled)
    await bench.reconcile(execution)
    assert await state_of(bench.database, execution) == "pending"


async def test_a_doubt_without_a_token_asks_for_one_and_stays(bench: Bench) -> None:
    execution = await doubt(bench, reached=True)
    await bench.let_the_token_expire()

    await bench.reconcile(execution)

    assert (await bench.row(execution))["intent_at"] is not None
    assert len(await commands(bench.database, "refresh_credential")) == 1


async def test_a_cancellation_during_the_doubt_is_settled_first(bench: Bench) -> None:
    reached, lost = await doubt(bench, reached=True), await doubt(bench, reached=False)
    for execution in (reached, lost):
        await Control(bench.database).request_cancel(execution, by="anna")

    for execution in (reached, lost):
        await bench.reconcile(execution)

    assert await state_of(bench.database, reached) == "pending"
    assert await state_of(bench.database, lost) == "cancelled"
    assert await commands(bench.database, "cancel_execution") == [{"execution_id": str(reached)}]
    assert await commands(bench.database, "submit_execution") == []


async def test_windows_are_compared_in_utc(bench: Bench) -> None:
    window = {
        "time_window_type": "EXPLICIT",
        "time_window_start": datetime(2025, 7, 1),  # noqa: DTZ001 - AMC's local time
        "time_window_end": datetime(2025, 7, 8),  # noqa: DTZ001
        "time_zone": "America/New_York",
    }
    execution = await doubt(bench, reached=False, **window)
    claim = await bench.submissions.claim_for_reconciliation(execution, lease=LEASE)
    same = bench.amc.make(
        workflow=bench.workflow.amc_workflow_id,
        time_window_start=datetime.fromisoformat("2025-07-01T04:00:00Z"),
        time_window_end=datetime.fromisoformat("2025-07-08T04:00:00Z"),
    )
    other = bench.amc.make(
        workflow=bench.workflow.amc_workflow_id,
        time_window_start=datetime.fromisoformat("2025-07-01T00:00:00Z"),
    )

    found = candidates_for(claim, [other, same])

    assert [name for name, _, _ in found] == [same.amc_execution_id]
    assert len(fingerprint_of(claim)) == 64


async def test_the_oldest_of_several_matches_comes_first(bench: Bench) -> None:
    execution = await doubt(bench, reached=False)
    claim = await bench.submissions.claim_for_reconciliation(execution, lease=LEASE)
    workflow = bench.workflow.amc_workflow_id
    young = bench.amc.make(workflow=workflow)
    old = bench.amc.make(
        workflow=workflow, created_at=(young.created_at or claim.intent_at) - timedelta(seconds=3)
    )

    found = candidates_for(claim, [young, old])

    assert [name for name, _, _ in found] == [old.amc_execution_id, young.amc_execution_id]
