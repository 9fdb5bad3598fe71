"""Time lives in one table: fired once, brought back by itself, never lost to a race."""

import asyncio
from datetime import UTC, datetime, timedelta

from shared.db.control import Control
from shared.db.polling import Looks
from shared.db.pool import Database, open_database
from shared.db.queries import load
from shared.db.submission import Submissions
from shared.db.timers import Timers
from shared.domain.ids import InstanceKey
from tests.integration.builders import (
    MINUTE,
    MadeInstance,
    MadeWorkflow,
    blocked,
    commands,
    state_of,
    timer_in,
    until,
)
from tests.integration.db.submitter import bind, claim_one

NOW = timedelta(0)


async def fire(timers: Timers, guard: timedelta = MINUTE, limit: int = 100) -> int:
    return await timers.fire(
        "poll_instance", message_type="poll_instance.v1", guard=guard, limit=limit
    )


async def arm(timers: Timers, key: str, wait: timedelta) -> None:
    await timers.arm("poll_instance", key, wait=wait, command={"instance_id": int(key)})


async def test_a_timer_fires_when_it_is_due_and_not_before(database: Database) -> None:
    timers = Timers(database)
    await arm(timers, "1", NOW)
    await arm(timers, "2", MINUTE)

    assert await fire(timers) == 1

    assert await commands(database, "poll_instance") == [{"instance_id": 1}]


async def test_one_look_tells_which_kinds_are_due(database: Database) -> None:
    timers = Timers(database)
    for kind, wait in (
        ("poll_instance", NOW),
        ("admit_instance", NOW),
        ("download_result", MINUTE),
    ):
        for key in ("1", "2"):
            await timers.arm(kind, key, wait=wait, command={"instance_id": int(key)})

    due = await timers.due(["download_result", "poll_instance", "cancel_execution"])

    assert due == ["poll_instance"]


async def test_a_shallow_look_leaves_what_was_due_long_ago_to_a_deep_one(
    database: Database,
) -> None:
    timers = Timers(database)
    await arm(timers, "1", -2 * MINUTE)

    shallow = await timers.due(["poll_instance"], back=MINUTE)
    deep = await timers.due(["poll_instance"])

    assert (shallow, deep) == ([], ["poll_instance"])


async def test_firing_moves_a_timer_on_so_that_a_lost_message_comes_again(
    database: Database,
) -> None:
    timers = Timers(database)
    await arm(timers, "1", NOW)

    assert await fire(timers, guard=timedelta(milliseconds=1)) == 1

    async def fires_again() -> bool:
        return await fire(timers) == 1

    await until(fires_again)
    wait = await timer_in(database, "poll_instance", "1")
    assert wait is not None
    assert 50 < wait <= 60


async def test_eight_firers_write_each_command_once(database: Database, database_url: str) -> None:
    timers = Timers(database)
    await database.execute(
        "insert into timers (kind, key, due_at, command)"
        " select 'poll_instance', n::text, clock_timestamp() - interval '1 s',"
        " jsonb_build_object('instance_id', n) from generate_series(1, 500) n"
    )

    async with open_database(database_url, service="other", max_size=8) as other:
        fired = await asyncio.gather(
            *(fire(each, limit=40) for each in (timers, Timers(other)) * 4 for _ in range(10))
        )
        while await fire(timers):
            pass

    written = await commands(database, "poll_instance")
    assert sum(fired) <= 500
    assert sorted(command["instance_id"] for command in written) == list(range(1, 501))


async def test_arming_keeps_the_earlier_time(database: Database) -> None:
    timers = Timers(database)

    await arm(timers, "1", MINUTE)
    await arm(timers, "1", timedelta(seconds=10))
    await arm(timers, "1", timedelta(seconds=30))

    wait = await timer_in(database, "poll_instance", "1")
    assert wait is not None
    assert 8 < wait <= 10


async def test_a_timer_done_in_place_is_taken_by_one_and_comes_back_unless_disarmed(
    database: Database,
) -> None:
    timers = Timers(database)
    await timers.arm("admit_instance", "1", wait=NOW, command={})

    takers = await asyncio.gather(
        *(timers.take_due("admit_instance", guard=MINUTE, limit=9) for _ in range(8))
    )

    assert sum(len(taken) for taken in takers) == 1
    assert await timer_in(database, "admit_instance", "1") is not None
    await timers.disarm("admit_instance", "1")
    assert await timer_in(database, "admit_instance", "1") is None


async def _bind_while_a_look_ends(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow, due: timedelta
) -> None:
    """A look that saw no work disarms, while a bind that it could not see arms."""
    looks, key = Looks(database), InstanceKey(instance.key)
    await arm(Timers(database), str(instance.key), due)
    seen = await looks.timer_due(key)
    look = await looks.claim_for_poll(key, lease=MINUTE)
    assert look.work == ()
    claim = await claim_one(database, instance, workflow)

    async with database.transaction() as connection:
        await connection.fetch(
            load("submission")["bind_all"],
            [claim.execution_id],
            [claim.fence],
            ["amc-1"],
            ["PENDING"],
            [datetime.now(UTC)],
            timedelta(seconds=2),
            timedelta(seconds=2),
        )
        ending = asyncio.ensure_future(looks.finish_look(look, next_look=None, seen_due=seen))
        await blocked(database)
    await ending

    assert await state_of(database, claim.execution_id) == "pending"
    assert await timer_in(database, "poll_instance", instance.key) is not None


async def test_disarming_does_not_lose_a_timer_that_was_armed_meanwhile(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    await _bind_while_a_look_ends(database, instance, workflow, due=2 * MINUTE)


async def test_nor_one_that_was_armed_for_later_than_it_was_due(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    await _bind_while_a_look_ends(database, instance, workflow, due=timedelta(milliseconds=500))


async def test_a_look_that_leaves_nothing_behind_disarms(
    database: Database, instance: MadeInstance
) -> None:
    looks, key = Looks(database), InstanceKey(instance.key)
    await arm(Timers(database), str(instance.key), MINUTE)
    seen = await looks.timer_due(key)

    await looks.finish_look(
        await looks.claim_for_poll(key, lease=MINUTE), next_look=None, seen_due=seen
    )

    assert await timer_in(database, "poll_instance", instance.key) is None


async def test_a_look_that_was_given_up_for_dead_neither_arms_nor_disarms(
    database: Database, instance: MadeInstance
) -> None:
    looks, key = Looks(database), InstanceKey(instance.key)
    slow = await looks.claim_for_poll(key, lease=NOW)
    await looks.claim_for_poll(key, lease=MINUTE)

    await looks.finish_look(slow, next_look=timedelta(seconds=1), seen_due=None)

    assert await timer_in(database, "poll_instance", instance.key) is None


async def test_a_bind_during_a_look_that_goes_on_keeps_the_earlier_look(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    looks, key = Looks(database), InstanceKey(instance.key)
    look = await looks.claim_for_poll(key, lease=MINUTE)
    await bind(Submissions(database), await claim_one(database, instance, workflow))

    await looks.finish_look(look, next_look=MINUTE, seen_due=None)

    wait = await timer_in(database, "poll_instance", instance.key)
    assert wait is not None
    assert wait <= 2


async def test_two_looks_at_one_instance_never_happen_at_once(
    database: Database, instance: MadeInstance
) -> None:
    looks, key = Looks(database), InstanceKey(instance.key)

    outcomes = await asyncio.gather(
        *(looks.claim_for_poll(key, lease=MINUTE) for _ in range(8)), return_exceptions=True
    )

    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1


async def test_an_admission_timer_that_is_armed_while_it_is_done_is_kept(
    database: Database, instance: MadeInstance
) -> None:
    timers, key = Timers(database), str(instance.key)
    await timers.arm("admit_instance", key, wait=NOW, command={})
    (due,) = await timers.take_due("admit_instance", guard=MINUTE, limit=9)
    await Control(database).admit([instance.key])
    await timers.arm("admit_instance", key, wait=timedelta(seconds=5), command={})

    await timers.disarm("admit_instance", due.key, seen=due.due_at)

    assert await timer_in(database, "admit_instance", key) is not None
