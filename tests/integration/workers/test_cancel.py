"""One CancelExecution command: AMC is asked until it says that it is over."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.errors import (
    AmcThrottled,
    AmcUnavailable,
    QueryRejected,
    StaleTransition,
    TokenExpired,
)
from tests.integration.builders import commands, state_of, timer_in
from tests.integration.workers.bench import Bench

ASKED = {"cancel_requested_at": datetime.now(UTC)}


async def test_amc_is_asked_and_a_look_follows_soon(bench: Bench) -> None:
    execution = await bench.at_amc(**ASKED)

    await bench.cancel(execution)

    look = await timer_in(bench.database, "poll_instance", bench.instance.key)
    again = await timer_in(bench.database, "cancel_execution", execution)
    assert bench.amc.count("cancel_execution") == 1
    assert await state_of(bench.database, execution) == "running"
    assert look is not None
    assert look < 1
    assert again is not None
    assert 55 < again <= 60


async def test_only_a_look_makes_it_cancelled_and_ends_the_asking(bench: Bench) -> None:
    execution = await bench.at_amc(**ASKED)
    await bench.cancel(execution)

    await bench.look()
    with pytest.raises(StaleTransition):
        await bench.cancel(execution)

    assert await state_of(bench.database, execution) == "cancelled"
    assert await timer_in(bench.database, "cancel_execution", execution) is None
    assert bench.amc.count("cancel_execution") == 1


async def test_what_finished_before_the_cancellation_is_shown_as_it_is(bench: Bench) -> None:
    execution = await bench.at_amc(**ASKED)
    row = await bench.row(execution)
    bench.amc.becomes(row["amc_execution_id"], "SUCCEEDED")

    await bench.look()

    assert await state_of(bench.database, execution) == "downloading"


@pytest.mark.parametrize(
    "error",
    [
        AmcUnavailable("away", wait=timedelta(seconds=7)),
        AmcThrottled("slow", wait=timedelta(seconds=7)),
        TokenExpired("401", wait=timedelta(seconds=7)),
    ],
    ids=["away", "throttled", "token"],
)
async def test_a_cancellation_that_amc_did_not_take_is_tried_again(
    bench: Bench, error: Exception
) -> None:
    execution = await bench.at_amc(**ASKED)
    bench.amc.will("cancel_execution", error)

    await bench.cancel(execution)

    wait = await timer_in(bench.database, "cancel_execution", execution)
    refreshes = await commands(bench.database, "refresh_credential")
    assert wait is not None
    assert 5 < wait <= 7
    assert (await bench.budget_pause() > 0) == isinstance(error, AmcThrottled)
    assert bool(refreshes) == isinstance(error, TokenExpired)


async def test_a_cancellation_that_amc_refuses_is_looked_at_and_asked_again(bench: Bench) -> None:
    execution = await bench.at_amc(**ASKED)
    bench.amc.will("cancel_execution", QueryRejected("no"))

    await bench.cancel(execution)

    assert await timer_in(bench.database, "cancel_execution", execution) is not None
    assert await timer_in(bench.database, "poll_instance", bench.instance.key) is not None


async def test_a_stray_is_cancelled_and_that_is_written_down(bench: Bench) -> None:
    execution = await bench.execution()
    bench.amc.make("stray", workflow="wf")
    await bench.database.execute(
        "insert into stray_executions (instance_id, amc_execution_id, execution_id, attempt)"
        " values ($1, 'stray', $2, 1)",
        bench.instance.key,
        execution,
    )

    await bench.cancel_stray("stray")

    assert bench.amc.executions["stray"].status == "CANCELLED"
    assert await bench.database.fetchval("select cancelled_at from stray_executions") is not None


async def test_a_stray_that_amc_did_not_cancel_stays_open(bench: Bench) -> None:
    bench.amc.will("cancel_execution", AmcUnavailable("away"))

    with pytest.raises(AmcUnavailable):
        await bench.cancel_stray("stray")


async def test_a_stray_of_an_instance_that_is_gone_is_nobodys(bench: Bench) -> None:
    bench.instance = type(bench.instance)(key=10_000, account=1)

    with pytest.raises(StaleTransition):
        await bench.cancel_stray("stray")
