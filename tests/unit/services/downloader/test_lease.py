"""A lease is renewed while the work goes on."""

import asyncio
from datetime import timedelta

import pytest

from services.downloader.lease import kept
from shared.domain.errors import DatabaseUnavailable, ResultGone, StaleTransition

LIFE = timedelta(seconds=60)


class Row:
    """Renewals answer one by one; a turn of the clock comes when the test gives it."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.waited: list[float] = []
        self.renewed = asyncio.Event()
        self.tick = asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        await self.tick.acquire()

    async def renew(self, claim: str) -> None:
        answer = self.answers.pop(0) if self.answers else None
        self.renewed.set()
        if answer is not None:
            raise answer


async def test_it_is_renewed_every_third_of_its_life() -> None:
    row = Row()
    async with kept(row.renew, "claim", life=LIFE, sleep=row.sleep):
        row.tick.release()
        await row.renewed.wait()

    assert set(row.waited) == {20.0}


async def test_losing_it_stops_the_work() -> None:
    row = Row(StaleTransition("lost"))
    row.tick.release()

    with pytest.raises(StaleTransition):
        async with kept(row.renew, "claim", life=LIFE, sleep=row.sleep):
            await asyncio.Event().wait()


async def test_one_missed_renewal_is_made_up_for() -> None:
    row = Row(DatabaseUnavailable(), DatabaseUnavailable(), None, DatabaseUnavailable())
    async with kept(row.renew, "claim", life=LIFE, sleep=row.sleep):
        for _ in range(4):
            row.tick.release()
            await row.renewed.wait()
            row.renewed.clear()


async def test_a_lease_that_has_surely_run_out_stops_the_work() -> None:
    row = Row(*[DatabaseUnavailable()] * 3)
    for _ in range(3):
        row.tick.release()

    with pytest.raises(StaleTransition, match="ran out"):
        async with kept(row.renew, "claim", life=LIFE, sleep=row.sleep):
            await asyncio.Event().wait()


async def test_an_error_of_the_work_is_the_error() -> None:
    row = Row()

    with pytest.raises(ResultGone):
        async with kept(row.renew, "claim", life=LIFE, sleep=row.sleep):
            raise ResultGone


async def test_being_stopped_from_outside_stays_a_cancellation() -> None:
    row, inside = Row(), asyncio.Event()

    async def work() -> None:
        async with kept(row.renew, "claim", life=LIFE, sleep=row.sleep):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await inside.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
