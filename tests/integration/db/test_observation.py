"""What AMC says about executions, applied: no step back, no late word, the right reason."""

from datetime import datetime, timedelta

import pytest

from shared.db.polling import Looks
from shared.db.pool import Database
from shared.db.submission import Cancellations
from shared.domain.errors import CancelledElsewhere, DeadlineExceeded
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
    seen,
    state_of,
)


async def test_amcs_word_makes_a_cancellation_we_asked_for_final(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(
        database, instance, workflow, "running", cancel_requested_at=PAST
    )

    assert (
        await Looks(database).observe(instance.key, [seen(execution, "cancelled", "CANCELLED")])
        == 1
    )

    row = await row_of(database, execution)
    assert (row["state"], row["error_code"], row["amc_status"]) == ("cancelled", None, "CANCELLED")


async def test_a_cancellation_is_not_repeated_once_its_execution_has_ended(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    ended = await make_execution(database, instance, workflow, "cancelled")

    await Cancellations(database).try_again(ended, wait=timedelta(seconds=60))

    assert await database.fetch("select key from timers where kind = 'cancel_execution'") == []


async def test_what_has_ended_at_amc_is_not_asked_to_end_again(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    ended, going_on = [
        await make_execution(database, instance, workflow, "running", cancel_requested_at=PAST)
        for _ in range(2)
    ]
    for execution in (ended, going_on):
        await Cancellations(database).try_again(execution, wait=timedelta(seconds=60))

    await Looks(database).observe(
        instance.key,
        [seen(ended, "cancelled", "CANCELLED"), seen(going_on, "running", "RUNNING")],
    )

    armed = await database.fetch("select key from timers where kind = 'cancel_execution'")
    assert [row["key"] for row in armed] == [str(going_on)]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, CancelledElsewhere),
        ({"deadline_passed_at": PAST}, DeadlineExceeded),
    ],
)
async def test_a_cancellation_no_user_asked_for_is_a_failure_with_its_reason_and_a_hint(
    database: Database,
    instance: MadeInstance,
    workflow: MadeWorkflow,
    given: dict[str, datetime],
    error: type[CancelledElsewhere | DeadlineExceeded],
) -> None:
    execution = await make_execution(database, instance, workflow, "running", **given)

    await Looks(database).observe(instance.key, [seen(execution, "cancelled", "CANCELLED")])

    row = await row_of(database, execution)
    assert (row["state"], row["error_code"]) == ("failed", error.code)
    assert row["error_message"]
    assert row["error_hint"] == error.default_hint


async def test_nothing_moves_backwards(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(database, instance, workflow, "running")

    freed = await Looks(database).observe(instance.key, [seen(execution, "pending", "PENDING")])

    assert (freed, await state_of(database, execution)) == (0, "running")


@pytest.mark.parametrize(
    "state", ["queued", "submitting", "downloading", "completed", "failed", "cancelled"]
)
async def test_a_late_look_changes_nothing_that_has_moved_on(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow, state: str
) -> None:
    execution = await make_execution(database, instance, workflow, state)
    before = await row_of(database, execution)

    freed = await Looks(database).observe(
        instance.key, [seen(execution, "failed", "FAILED", error_code="remote_failed")]
    )

    assert freed == 0
    assert await row_of(database, execution) == before


async def test_what_amc_finished_is_downloaded_and_its_slot_handed_on(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=1)
    execution = await make_execution(database, instance, workflow, "pending")
    (waiting,) = await accept(database, make_request(instance, workflow))

    freed = await Looks(database).observe(
        instance.key,
        [seen(execution, "downloading", "SUCCEEDED", output_location="s3://bucket/key")],
    )

    row = await row_of(database, execution)
    assert freed == 1
    assert (row["state"], row["output_location"]) == ("downloading", "s3://bucket/key")
    assert row["running_at"] is not None
    assert row["remote_finished_at"] is not None
    assert await commands(database, "download_result") == [{"execution_id": str(execution)}]
    assert await state_of(database, waiting) == "submitting"
