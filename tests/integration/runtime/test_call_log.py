"""The book of calls to AMC is kept beside the work and never in its way."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.amc.call_log import CallRecord
from shared.db.calls import CallBook, CallRow
from shared.db.pool import Database
from shared.domain.errors import DatabaseUnavailable
from shared.runtime.call_log import BufferedCallLog
from tests.integration.runtime.conftest import running


def make_record(number: int = 1) -> CallRecord:
    return CallRecord(
        caller="poller",
        call="list_executions",
        instance=None,
        request_id=f"request-{number}",
        method="GET",
        path="/amc/reporting/amctest/workflowExecutions",
        status=200,
        duration_ms=12.6,
        error_code=None,
    )


async def test_what_was_recorded_is_in_the_book_when_the_service_ends(database: Database) -> None:
    log = BufferedCallLog(CallBook(database))

    async with running(log.run):
        for number in range(3):
            log.record(make_record(number))

    rows = await database.fetch("select request_id, status, duration_ms from amc_calls order by id")
    assert [tuple(row) for row in rows] == [(f"request-{number}", 200, 13) for number in range(3)]


@dataclass
class FlakyBook:
    """A database that is away the first time."""

    written: list[str | None] = field(default_factory=list)
    tries: int = 0
    wrote: asyncio.Event = field(default_factory=asyncio.Event)

    async def record(self, rows: Sequence[CallRow]) -> None:
        self.tries += 1
        if self.tries == 1:
            raise DatabaseUnavailable("away")
        self.written += [row.request_id for row in rows]
        self.wrote.set()


async def test_a_database_that_is_away_gets_the_calls_later_and_in_order() -> None:
    book = FlakyBook()
    log = BufferedCallLog(book)  # type: ignore[arg-type]
    log.record(make_record(1))

    async with running(log.run):
        await asyncio.sleep(0)
        log.record(make_record(2))
        async with asyncio.timeout(4):
            await book.wrote.wait()

    assert book.written == ["request-1", "request-2"]
