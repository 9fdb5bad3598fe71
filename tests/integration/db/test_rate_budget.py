"""May AMC be called this very moment: the budget rows under many askers on the real clock."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from shared.amc.permits import CallClass
from shared.db.pool import Database, open_database
from shared.db.rate_budget import RateBudgets
from shared.domain.errors import PermitExpired
from shared.domain.ids import InstanceKey
from shared.runtime.permits import BudgetPermits
from tests.integration.builders import MadeInstance, make_instance

SECONDS = 2.5
FAR = timedelta(seconds=60)


@pytest.fixture
async def processes(database_url: str) -> AsyncIterator[list[BudgetPermits]]:
    """As many processes as replicas would be, each with its own pool and its own askers."""
    async with AsyncExitStack() as stack:
        yield [
            BudgetPermits(
                RateBudgets(
                    await stack.enter_async_context(
                        open_database(database_url, service=f"process {number}", max_size=3)
                    )
                )
            )
            for number in range(6)
        ]


async def send(
    permits: BudgetPermits,
    instance: MadeInstance,
    call_class: CallClass,
    *,
    sent: list[float],
    waited: list[float],
    until: float,
    dropped: list[float] | None = None,
) -> None:
    """Ask for turns and use each at once."""
    while (asked := time.monotonic()) < until:
        permit = await permits.take(InstanceKey(instance.key), call_class)
        await permit.wait()
        try:
            permit.check()
        except PermitExpired:
            # This machine was too busy to wake us in time: nothing was sent.
            if dropped is not None:
                dropped.append(asked)
            continue
        sent.append(time.monotonic())
        waited.append(sent[-1] - asked)


async def ask(budgets: RateBudgets, instance: int, *, ahead: timedelta) -> tuple[bool, float]:
    """Whether it is booked, and in how many seconds at the latest it begins."""
    turn = await budgets.take(InstanceKey(instance), ahead=ahead)
    return turn.granted, turn.latest - time.monotonic()


def most_in_a_second(sent: list[float]) -> int:
    """The largest number within any second that includes its beginning."""
    times = sorted(sent)
    return max(
        bisect_left(times, begin + 1.0, lo=index) - index for index, begin in enumerate(times)
    )


async def test_six_processes_together_stay_within_the_limit_and_use_it_up(
    processes: list[BudgetPermits], instance: MadeInstance
) -> None:
    sent: list[float] = []
    dropped: list[float] = []
    begin = time.monotonic()

    async with asyncio.TaskGroup() as group:
        for permits in processes:
            for _ in range(2):
                group.create_task(
                    send(
                        permits,
                        instance,
                        CallClass.SUBMIT,
                        sent=sent,
                        waited=[],
                        until=begin + SECONDS,
                        dropped=dropped,
                    )
                )

    assert most_in_a_second(sent) <= 10
    assert len(sent) + len(dropped) >= 0.93 * 9.4 * (max(sent) - begin)


async def test_a_look_never_waits_behind_endless_submissions(
    processes: list[BudgetPermits], instance: MadeInstance
) -> None:
    sent: list[float] = []
    waited: dict[CallClass, list[float]] = {each: [] for each in CallClass}
    until = time.monotonic() + SECONDS

    async with asyncio.TaskGroup() as group:
        for number, permits in enumerate(processes):
            call_class = {0: CallClass.POLL, 1: CallClass.DOWNLOAD}.get(number, CallClass.SUBMIT)
            for _ in range(1 if number < 2 else 4):
                group.create_task(
                    send(
                        permits,
                        instance,
                        call_class,
                        sent=sent,
                        waited=waited[call_class],
                        until=until,
                    )
                )

    assert max(waited[CallClass.POLL]) < 0.6
    assert max(waited[CallClass.DOWNLOAD]) < 0.6
    assert most_in_a_second(sent) <= 10


async def test_instances_do_not_share_a_budget(database: Database) -> None:
    budgets = RateBudgets(database)
    instances = [await make_instance(database) for _ in range(3)]

    answers = [await ask(budgets, each.key, ahead=FAR) for each in instances]

    assert [granted for granted, _ in answers] == [True] * 3
    assert max(seconds for _, seconds in answers) < 0.06


async def test_what_is_not_granted_is_not_booked(
    database: Database, instance: MadeInstance
) -> None:
    budgets, key = RateBudgets(database), InstanceKey(instance.key)
    near = timedelta(milliseconds=1)
    await budgets.take(key, ahead=FAR)

    answers = [await ask(budgets, key, ahead=near) for _ in range(20)]

    refused = [seconds for granted, seconds in answers if not granted]
    assert len(refused) > 15
    assert max(refused) <= 1 / 9.4


@pytest.mark.parametrize(("limit", "step"), [(10, 1 / 9.4), (1, 1 / 0.94), (100, 1 / 94)])
async def test_turns_are_as_far_apart_as_the_limit_says(
    database: Database, limit: int, step: float
) -> None:
    instance = await make_instance(database, max_requests_per_second=limit)
    budgets, key = RateBudgets(database), InstanceKey(instance.key)
    began = time.monotonic()

    slots = []
    for _ in range(20):
        _, seconds = await ask(budgets, key, ahead=FAR)
        slots.append(time.monotonic() - began + seconds)

    assert slots[-1] == pytest.approx(19 * step, abs=0.2)


async def test_a_pause_holds_everybody_and_is_never_shortened(
    database: Database, instance: MadeInstance
) -> None:
    budgets, key = RateBudgets(database), InstanceKey(instance.key)

    await budgets.pause(key, timedelta(seconds=30))
    await budgets.pause(key, timedelta(seconds=1))

    refused = await ask(budgets, key, ahead=timedelta(milliseconds=128))
    booked = await ask(budgets, key, ahead=FAR)
    assert refused == (False, pytest.approx(30, abs=1))
    assert booked == (True, pytest.approx(30, abs=1))


async def test_turns_booked_for_the_end_of_a_long_pause_stay_apart(
    database: Database, instance: MadeInstance
) -> None:
    budgets, key = RateBudgets(database), InstanceKey(instance.key)
    await budgets.pause(key, timedelta(seconds=60, milliseconds=-20))

    first, second = [await ask(budgets, key, ahead=FAR) for _ in range(2)]

    assert first == (True, pytest.approx(60, abs=0.5))
    # The second turn is a step later: beyond what may be booked, or at least not the same.
    assert second[0] is False or second[1] - first[1] > 0.08


async def test_a_minutes_worth_of_bookings_is_not_given_out_twice(
    database: Database,
) -> None:
    instance = await make_instance(database, max_requests_per_second=1)
    budgets, key = RateBudgets(database), InstanceKey(instance.key)

    answers = [await ask(budgets, key, ahead=FAR) for _ in range(70)]

    booked = [seconds for granted, seconds in answers if granted]
    assert len(booked) == 57
    assert booked == sorted(booked)


async def test_a_clock_that_was_set_back_does_not_stop_an_instance(
    database: Database, instance: MadeInstance
) -> None:
    await database.execute("update rate_budgets set next_free_at = clock_timestamp() + '1 h'")

    granted, seconds = await ask(RateBudgets(database), instance.key, ahead=FAR)

    assert (granted, seconds < 2) == (True, True)


async def test_turns_of_several_instances_come_in_the_order_asked_for(database: Database) -> None:
    free, paused = await make_instance(database), await make_instance(database)
    budgets = RateBudgets(database)
    await budgets.pause(InstanceKey(paused.key), timedelta(seconds=9))

    answers = await budgets.take_all(
        [InstanceKey(each.key) for each in (paused, free, free)], ahead=timedelta(milliseconds=128)
    )

    assert [answer.granted for answer in answers] == [False, True, True]
    assert answers[0].earliest - time.monotonic() > 8
    assert answers[2].latest - answers[1].latest == pytest.approx(1 / 9.4, abs=0.001)
