"""A worker whose machine's clock is an hour wrong decides everything as the others do."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

import pytest

from shared.domain import clock
from shared.domain.clock import utc_now
from shared.domain.errors import StaleTransition
from shared.domain.ids import new_uuid
from shared.domain.windows import DefaultWindow
from tests.integration.workers.bench import LEASE, Bench

NEAR = timedelta(seconds=1)


@pytest.fixture(autouse=True, params=[-3600.0, 3600.0], ids=["behind", "ahead"])
def wrong_clock(request: pytest.FixtureRequest) -> Iterator[None]:
    clock.forget()
    clock.make_wrong(by_seconds=request.param)
    yield
    clock.forget()
    clock.make_wrong(by_seconds=0)


async def database_time(bench: Bench) -> datetime:
    now: datetime = await bench.database.fetchval("select clock_timestamp()")
    return now


async def let_the_token_end_in(bench: Bench, life: timedelta) -> None:
    await bench.database.execute(
        "update credentials set access_token_expires_at = clock_timestamp() + $1::interval", life
    )


async def test_it_takes_the_databases_time_for_its_own(bench: Bench) -> None:
    assert abs(utc_now() - await database_time(bench)) < NEAR


async def test_a_token_that_lives_is_used(bench: Bench) -> None:
    await let_the_token_end_in(bench, timedelta(minutes=30))
    execution = await bench.execution()

    await bench.submit(execution)

    assert (await bench.row(execution))["state"] == "pending"


async def test_a_token_that_has_ended_is_not_used(bench: Bench) -> None:
    await let_the_token_end_in(bench, timedelta(minutes=-30))
    execution = await bench.execution()

    await bench.submit(execution)

    assert (await bench.row(execution))["state"] == "submitting"
    assert bench.amc.calls == []


async def test_a_deadline_counts_from_now_where_amc_names_no_time(bench: Bench) -> None:
    bench.amc.make = partial(bench.amc.make, created_at=None)  # type: ignore[method-assign]
    execution = await bench.execution(deadline_seconds=600)

    await bench.submit(execution)

    deadline_at = (await bench.row(execution))["deadline_at"]
    assert abs(deadline_at - await database_time(bench) - timedelta(seconds=600)) < NEAR


async def test_an_execution_is_overdue_when_the_database_says_so(bench: Bench) -> None:
    in_time = await bench.at_amc(deadline_at=utc_now() + timedelta(minutes=30))
    overdue = await bench.at_amc(deadline_at=utc_now() - timedelta(minutes=30))

    await bench.look()

    rows = [await bench.row(execution) for execution in (in_time, overdue)]
    assert [row["deadline_passed_at"] is not None for row in rows] == [False, True]


async def test_a_lease_is_as_long_as_anybodys(bench: Bench) -> None:
    execution = await bench.execution()

    await bench.submissions.claim_for_submission(execution, lease=LEASE)

    lease_until = (await bench.row(execution))["lease_until"]
    assert abs(lease_until - await database_time(bench) - LEASE) < NEAR
    with pytest.raises(StaleTransition):
        await bench.submissions.claim_for_submission(execution, lease=LEASE)


async def test_a_request_without_a_window_gets_the_days_of_the_database(bench: Bench) -> None:
    told = await database_time(bench)

    assert DefaultWindow().at(utc_now()) in (
        DefaultWindow().at(told),
        DefaultWindow().at(told + NEAR),
    )


async def test_an_id_carries_the_databases_time(bench: Bench) -> None:
    made_at = (new_uuid().int >> 80) / 1000

    assert abs(made_at - (await database_time(bench)).timestamp()) < NEAR.total_seconds()
