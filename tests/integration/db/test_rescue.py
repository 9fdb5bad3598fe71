"""What was abandoned comes back: queued work, lost commands, lost timers."""

import asyncio
from datetime import timedelta

import pytest

from shared.db.control import Control
from shared.db.downloads import Downloads
from shared.db.polling import Looks
from shared.db.pool import Database
from shared.db.submission import Submissions
from shared.domain.errors import StaleTransition
from tests.integration.builders import (
    MINUTE,
    PAST,
    MadeInstance,
    MadeWorkflow,
    accept,
    blocked,
    commands,
    make_credential,
    make_execution,
    make_request,
    seen,
    state_of,
    timer_in,
)
from tests.integration.db.submitter import bind, intended_one


async def test_what_a_crash_left_in_the_queue_is_admitted(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    (execution,) = await accept(database, make_request(instance, workflow))

    done = await Control(database).rescue()

    assert done["admitted"] == 1
    assert await state_of(database, execution) == "submitting"


@pytest.mark.parametrize(
    ("state", "command"), [("submitting", "submit_execution"), ("downloading", "download_result")]
)
async def test_a_command_nobody_carried_out_is_sent_again(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow, state: str, command: str
) -> None:
    execution = await make_execution(database, instance, workflow, state, lease_until=PAST)
    await make_execution(database, instance, workflow, state)

    done = await Control(database).rescue()

    assert done["command_sent_again"] == 1
    assert await commands(database, command) == [{"execution_id": str(execution)}]
    assert "command_sent_again" not in await Control(database).rescue()


async def test_a_download_whose_worker_died_is_sent_again_after_a_real_submission(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    submissions = Submissions(database)
    claim = await intended_one(database, instance, workflow)
    await bind(submissions, claim)
    await Looks(database).observe(
        instance.key, [seen(claim.execution_id, "downloading", "SUCCEEDED")]
    )
    await Downloads(database, lease=timedelta(0)).claim_for_download(claim.execution_id)

    done = await Control(database).rescue()

    assert done["command_sent_again"] == 1


async def test_a_doubt_whose_timer_was_lost_is_settled_all_the_same(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(
        database, instance, workflow, "submitting", intent_at=PAST, settle_at=PAST
    )

    done = await Control(database).rescue()

    assert done["settle_timer_armed"] == 1
    assert await timer_in(database, "reconcile_execution", execution) is not None
    assert await commands(database, "submit_execution") == []


async def test_work_at_amc_that_nobody_looks_at_gets_its_timer_back(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    await make_execution(database, instance, workflow, "running")

    done = await Control(database).rescue()

    assert done["poll_timer_armed"] == 1
    assert "poll_timer_armed" not in await Control(database).rescue()


async def test_a_login_without_a_timer_is_refreshed_unless_it_is_broken(
    database: Database, instance: MadeInstance
) -> None:
    await make_credential(database, status="broken", broken_reason="revoked")

    done = await Control(database).rescue()

    assert done["refresh_timer_armed"] == 1


async def test_with_nothing_abandoned_nothing_is_done(database: Database) -> None:
    assert await Control(database).rescue() == {}


async def test_a_settle_timer_that_is_armed_again_too_late_goes_when_it_comes(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(
        database, instance, workflow, "submitting", intent_at=PAST, settle_at=PAST
    )
    await Control(database).rescue()

    async with asyncio.TaskGroup() as group, database.transaction() as connection:
        await connection.execute(
            """update workflow_executions
                  set state = 'pending', amc_execution_id = 'amc-1', amc_status = 'PENDING',
                      submitted_at = clock_timestamp(), amc_created_at = clock_timestamp(),
                      deadline_at = clock_timestamp(), intent_at = null, settle_at = null,
                      lease_owner = null, lease_until = null
                where id = $1""",
            execution,
        )
        await connection.execute("delete from timers where key = $1", str(execution))
        rescue = group.create_task(Control(database).rescue())
        await blocked(database)
    assert rescue.result()["settle_timer_armed"] == 1

    with pytest.raises(StaleTransition):
        await Submissions(database).claim_for_reconciliation(execution, lease=MINUTE)
    assert await timer_in(database, "reconcile_execution", execution) is None
