"""May it run now: every rule that gives a slot or holds one back."""

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.db.acceptance import Acceptance, RememberedRequest
from shared.db.control import Control
from shared.db.pool import Database
from shared.db.tokens import Refreshes
from shared.domain.errors import StaleTransition
from tests.integration.builders import (
    MINUTE,
    MadeInstance,
    MadeWorkflow,
    accept,
    accept_and_admit,
    commands,
    finish,
    gathered,
    in_state,
    make_account,
    make_credential,
    make_execution,
    make_instance,
    make_request,
    state_of,
    timer_in,
)


def requests(instance: MadeInstance, workflow: MadeWorkflow, number: int, **overrides: object):
    return [make_request(instance, workflow, **overrides) for _ in range(number)]


async def test_as_many_are_admitted_as_the_instance_may_run(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=3)

    await accept_and_admit(database, *requests(instance, workflow, 5))

    assert await in_state(database, "submitting") == 3
    assert len(await commands(database, "submit_execution")) == 3


async def test_the_accounts_limit_holds_over_its_instances(
    database: Database, workflow: MadeWorkflow
) -> None:
    account = await make_account(database, max_concurrent_executions=4)
    instances = [await make_instance(database, account) for _ in range(3)]

    for instance in instances:
        await accept_and_admit(database, *requests(instance, workflow, 3))

    assert await in_state(database, "submitting") == 4


async def test_an_end_hands_the_slot_to_the_next_in_line(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=1)
    first, second, third = await accept_and_admit(database, *requests(instance, workflow, 3))

    await finish(database, first)

    assert await state_of(database, second) == "submitting"
    assert await state_of(database, third) == "queued"


async def test_a_full_account_serves_its_idle_instance_first(
    database: Database, workflow: MadeWorkflow
) -> None:
    account = await make_account(database, max_concurrent_executions=2)
    busy, other, idle = [await make_instance(database, account) for _ in range(3)]
    (running,) = await accept_and_admit(database, make_request(busy, workflow))
    for served in (other, busy, other):
        await accept_and_admit(database, *requests(served, workflow, 5))
    (late,) = await accept_and_admit(database, make_request(idle, workflow))
    assert await state_of(database, late) == "queued"

    await finish(database, running)

    assert await state_of(database, late) == "submitting"


async def test_a_full_account_serves_the_higher_priority_wherever_it_waits(
    database: Database, workflow: MadeWorkflow
) -> None:
    account = await make_account(database, max_concurrent_executions=1)
    first, second, third = [await make_instance(database, account) for _ in range(3)]
    (running,) = await accept_and_admit(database, make_request(second, workflow))
    await accept_and_admit(database, make_request(third, workflow))
    (urgent,) = await accept_and_admit(database, make_request(second, workflow, priority=9))
    await accept_and_admit(database, make_request(first, workflow))

    await finish(database, running)

    assert await state_of(database, urgent) == "submitting"


async def test_a_lowered_limit_ends_nothing_and_admits_nothing_until_it_holds(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=3)
    control = Control(database)
    running = (await accept_and_admit(database, *requests(instance, workflow, 5)))[:3]

    await control.change_instance_limits(instance.key, max_concurrent_executions=1)
    await finish(database, *running[:2])
    held = await in_state(database, "queued")
    await finish(database, running[2])

    assert held == 2
    assert await in_state(database, "queued") == 1
    assert await in_state(database, "submitting") == 1


async def test_a_raised_limit_admits_at_once(database: Database, workflow: MadeWorkflow) -> None:
    instance = await make_instance(database, max_concurrent_executions=1)
    await accept_and_admit(database, *requests(instance, workflow, 5))

    await Control(database).change_instance_limits(instance.key, max_concurrent_executions=4)

    assert await in_state(database, "submitting") == 4


async def test_a_raised_account_limit_admits_on_all_its_instances(
    database: Database, workflow: MadeWorkflow
) -> None:
    account = await make_account(database, max_concurrent_executions=1)
    instances = [await make_instance(database, account) for _ in range(2)]
    for instance in instances:
        await accept_and_admit(database, *requests(instance, workflow, 2))

    await Control(database).change_account_limit(account, 4)

    assert [await in_state(database, "submitting", each) for each in instances] == [2, 2]


async def test_a_paused_instance_admits_nothing_and_goes_on_when_resumed(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    control = Control(database)
    await control.pause_instance(instance.key, by="anna", reason="audit")
    await accept_and_admit(database, *requests(instance, workflow, 2))
    held = await in_state(database, "queued")

    await control.resume_instance(instance.key)

    assert held == 2
    assert await in_state(database, "submitting") == 2


async def test_a_full_amc_is_left_alone_until_its_pause_is_over(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    await database.execute(
        "update instance_gates set admit_after = clock_timestamp() + interval '1 min'"
    )
    await accept_and_admit(database, *requests(instance, workflow, 2))
    held = await in_state(database, "queued")

    await database.execute("update instance_gates set admit_after = clock_timestamp()")
    await Control(database).admit([instance.key])

    assert held == 2
    assert await in_state(database, "submitting") == 2


async def test_a_broken_login_holds_its_instances_until_somebody_authorises_again(
    database: Database, workflow: MadeWorkflow
) -> None:
    credential = await make_credential(database, status="broken", broken_reason="revoked")
    account = await make_account(database, credential_id=credential)
    instance = await make_instance(database, account)
    await accept_and_admit(database, *requests(instance, workflow, 2))
    held = await in_state(database, "queued")
    await database.execute("update credentials set status = 'new', broken_reason = null")
    refreshes = Refreshes(database)

    await refreshes.store_tokens(
        await refreshes.claim_for_refresh(credential, lease=MINUTE),
        access=(b"a", "k"),
        refresh=(b"r", "k"),
        lives=timedelta(hours=1),
        refresh_in=timedelta(minutes=50),
    )

    assert held == 2
    assert await in_state(database, "submitting") == 2


async def test_an_account_without_a_login_admits_nothing(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, await make_account(database, credential_id=None))

    await accept_and_admit(database, make_request(instance, workflow))

    assert await in_state(database, "queued") == 1


# A zone where it is early or late now, so that a day in UTC is another day.
ZONES = ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"]


@pytest.mark.parametrize("zone", ZONES)
async def test_a_daily_quota_counts_the_days_of_its_zone_and_goes_on_at_midnight(
    database: Database, workflow: MadeWorkflow, zone: str
) -> None:
    instance = await make_instance(database, daily_execution_quota=2, quota_time_zone=zone)
    now = datetime.now(ZoneInfo(zone))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    await make_execution(
        database, instance, workflow, "completed", admitted_at=midnight - timedelta(seconds=1)
    )

    first, *_ = await accept_and_admit(database, *requests(instance, workflow, 4))
    await finish(database, first)

    wait = await timer_in(database, "admit_instance", instance.key)
    tomorrow = (midnight + timedelta(days=1)).astimezone(UTC)
    assert await in_state(database, "queued") == 2
    assert wait is not None
    assert abs(wait - (tomorrow - datetime.now(UTC)).total_seconds()) < 5


async def test_a_raised_quota_admits_at_once(database: Database, workflow: MadeWorkflow) -> None:
    instance = await make_instance(database, daily_execution_quota=1)
    await accept_and_admit(database, *requests(instance, workflow, 4))
    control = Control(database)

    await control.change_instance_limits(instance.key, daily_execution_quota=3, is_quota_given=True)
    after_three = await in_state(database, "submitting")
    await control.change_instance_limits(instance.key, is_quota_given=True)

    assert after_three == 3
    assert await in_state(database, "submitting") == 4


async def test_an_instance_without_quota_left_does_not_hold_up_its_account(
    database: Database, workflow: MadeWorkflow
) -> None:
    account = await make_account(database, max_concurrent_executions=2)
    spent = await make_instance(database, account, daily_execution_quota=1)
    other = await make_instance(database, account)
    (running, *_) = await accept_and_admit(database, *requests(spent, workflow, 3))
    await accept_and_admit(database, *requests(other, workflow, 3))

    await finish(database, running)

    assert await in_state(database, "submitting", other) == 2


async def test_a_request_of_ten_thousand_is_stored_and_admitted_within_seconds(
    database: Database, workflow: MadeWorkflow
) -> None:
    account = await make_account(database)
    instances = [await make_instance(database, account) for _ in range(10)]
    asked = [make_request(instances[number % 10], workflow) for number in range(10_000)]

    async with asyncio.timeout(5):
        await accept_and_admit(database, *asked)

    assert await in_state(database, "submitting") == 100
    assert await in_state(database, "queued") == 9_900


async def test_a_request_is_stored_whole_or_not_at_all(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    request = make_request(instance, workflow)

    with pytest.raises(StaleTransition):
        await accept(database, make_request(instance, workflow), request, request)

    assert await in_state(database, "queued") == 0


async def test_of_twins_with_one_idempotency_key_a_single_one_is_stored(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    key = RememberedRequest("anna", "bulk", "key-1", b"sha", {"items": []})

    outcomes = await gathered(
        [
            Acceptance(database).accept(
                requests(instance, workflow, 20), owner="anna", request_id="r", remember=key
            )
            for _ in range(8)
        ]
    )

    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, StaleTransition) for outcome in outcomes) == 7
    assert await in_state(database, "queued") == 20
