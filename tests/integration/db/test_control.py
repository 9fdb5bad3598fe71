"""What clocks and parked messages do to executions."""

import pytest

from shared.db.control import Control
from shared.db.dead_letters import DeadLetter, DeadLetters
from shared.db.pool import Database
from tests.integration.builders import (
    PAST,
    MadeInstance,
    MadeWorkflow,
    accept,
    accept_and_admit,
    make_execution,
    make_instance,
    make_request,
    row_of,
    state_of,
    timer_in,
)


async def test_an_execution_that_waited_too_long_fails(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    (execution,) = await accept(
        database, make_request(instance, workflow, queue_timeout_seconds=60)
    )
    wait = await timer_in(database, "expire_execution", execution)

    assert await Control(database).expire_queued(execution)

    row = await row_of(database, execution)
    assert (row["state"], row["error_code"]) == ("failed", "queue_timeout")
    assert "60 s" in row["error_message"]
    assert wait is not None
    assert 55 < wait <= 60


@pytest.mark.parametrize("state", ["submitting", "running", "completed", "cancelled"])
async def test_a_queue_timeout_does_not_reach_what_has_left_the_queue(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow, state: str
) -> None:
    execution = await make_execution(database, instance, workflow, state, queue_timeout_seconds=1)

    assert not await Control(database).expire_queued(execution)

    assert await state_of(database, execution) == state


async def test_an_execution_whose_command_was_parked_leaves_no_timer(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    (execution,) = await accept_and_admit(
        database, make_request(instance, workflow, queue_timeout_seconds=60)
    )

    await DeadLetters(database).fail_parked(execution, reason="bug")

    assert await timer_in(database, "expire_execution", execution) is None


@pytest.mark.parametrize("state", ["submitting", "downloading"])
async def test_an_execution_whose_command_was_parked_ends(
    database: Database, workflow: MadeWorkflow, state: str
) -> None:
    instance = await make_instance(database, max_concurrent_executions=1)
    execution = await make_execution(database, instance, workflow, state)
    (waiting,) = await accept(database, make_request(instance, workflow))

    assert await DeadLetters(database).fail_parked(execution, reason="bug")

    row = await row_of(database, execution)
    assert (row["state"], row["error_code"]) == ("failed", "handler_failed")
    handed_on = "submitting" if state == "submitting" else "queued"
    assert await state_of(database, waiting) == handed_on


async def test_a_doubt_is_not_ended_by_a_parked_command(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(
        database, instance, workflow, "submitting", intent_at=PAST, settle_at=PAST
    )

    assert not await DeadLetters(database).fail_parked(execution, reason="bug")

    assert await state_of(database, execution) == "submitting"


@pytest.mark.parametrize("state", ["queued", "pending", "running", "completed"])
async def test_a_parked_command_does_not_end_what_timers_move_on(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow, state: str
) -> None:
    execution = await make_execution(database, instance, workflow, state)

    assert not await DeadLetters(database).fail_parked(execution, reason="bug")

    assert await state_of(database, execution) == state


async def test_a_message_is_recorded_once_however_often_it_is_parked(database: Database) -> None:
    letter = DeadLetter("q", "m-1", "t", "{}", {"x-attempt": 12}, None, "bug")

    for _ in range(2):
        await DeadLetters(database).record(letter)

    assert await database.fetchval("select count(*) from dead_letters") == 1
