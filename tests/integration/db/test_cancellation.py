"""How an execution is cancelled: in place, by a command, or not any more."""

from uuid import uuid4

import pytest

from shared.db.control import Control
from shared.db.pool import Database
from shared.db.submission import Cancellations
from shared.domain.errors import NotFound, StaleTransition
from tests.integration.builders import (
    PAST,
    MadeInstance,
    MadeWorkflow,
    accept,
    commands,
    make_execution,
    make_instance,
    make_request,
    row_of,
    states_of,
    timer_in,
)


async def test_a_queued_execution_is_cancelled_in_place(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    (execution,) = await accept(
        database, make_request(instance, workflow, queue_timeout_seconds=60)
    )

    state = await Control(database).request_cancel(execution, by="anna")

    row = await row_of(database, execution)
    assert state == row["state"] == "cancelled"
    assert row["cancel_requested_by"] == "anna"
    assert await timer_in(database, "expire_execution", execution) is None


async def test_an_execution_that_waits_for_a_worker_is_cancelled_in_place(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=1)
    execution = await make_execution(database, instance, workflow, "submitting")
    (waiting,) = await accept(database, make_request(instance, workflow))

    assert await Control(database).request_cancel(execution, by="anna") == "cancelled"

    assert await states_of(database, [execution, waiting]) == ["cancelled", "submitting"]


@pytest.mark.parametrize("state", ["pending", "running"])
async def test_an_execution_at_amc_is_cancelled_by_a_command_once(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow, state: str
) -> None:
    execution = await make_execution(database, instance, workflow, state)
    control = Control(database)

    assert await control.request_cancel(execution, by="anna") == state
    assert await control.request_cancel(execution, by="ben") == state

    assert len(await commands(database, "cancel_execution")) == 1
    assert (await row_of(database, execution))["cancel_requested_by"] == "anna"


@pytest.mark.parametrize("state", ["downloading", "completed", "failed", "cancelled"])
async def test_a_cancellation_that_comes_too_late_changes_nothing(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow, state: str
) -> None:
    execution = await make_execution(database, instance, workflow, state)
    before = await row_of(database, execution)

    assert await Control(database).request_cancel(execution, by="anna") == state

    assert await row_of(database, execution) == before


async def test_what_does_not_exist_cannot_be_cancelled(database: Database) -> None:
    with pytest.raises(NotFound):
        await Control(database).request_cancel(uuid4(), by="anna")


@pytest.mark.parametrize("state", ["queued", "submitting", "downloading", "completed"])
async def test_there_is_nothing_to_cancel_at_amc_before_or_after(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow, state: str
) -> None:
    execution = await make_execution(database, instance, workflow, state, cancel_requested_at=PAST)

    with pytest.raises(StaleTransition):
        await Cancellations(database).work_of(execution)


async def test_nobody_cancels_at_amc_what_nobody_asked_to_cancel(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(database, instance, workflow, "running")

    with pytest.raises(StaleTransition):
        await Cancellations(database).work_of(execution)


async def test_a_passed_deadline_is_a_reason_to_cancel(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(
        database, instance, workflow, "running", deadline_passed_at=PAST, amc_execution_id="amc-1"
    )

    work = await Cancellations(database).work_of(execution)

    assert work.amc_execution_id == "amc-1"
