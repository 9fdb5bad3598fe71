"""Keeps the book of calls to AMC without making any call wait for the database.

Records are gathered and written once a second. A crash loses the last second of the book, never
work: nothing depends on it.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from shared.amc.call_log import CallRecord
from shared.db.calls import CallBook, CallRow
from shared.domain.clock import utc_now
from shared.domain.errors import DatabaseUnavailable
from shared.observability.logs import get_logger
from shared.observability.metrics import AMC_CALL_SECONDS, AMC_CALLS

log = get_logger()

_FLUSH_SECONDS: Final = 1.0
_LONGEST: Final = 10_000


@dataclass(frozen=True, slots=True)
class BufferedCallLog:
    """The call log of one service."""

    book: CallBook
    _waiting: deque[CallRow] = field(default_factory=lambda: deque(maxlen=_LONGEST))

    def record(self, call: CallRecord) -> None:
        """Take one record; the oldest give way when the database is away for long."""
        AMC_CALLS.labels(call.call, str(call.status or "none")).inc()
        AMC_CALL_SECONDS.labels(call.call).observe(call.duration_ms / 1000)
        self._waiting.append(
            CallRow(
                at=utc_now(),
                caller=call.caller,
                call=call.call,
                instance_id=call.instance,
                method=call.method,
                path=call.path,
                status=call.status,
                request_id=call.request_id,
                duration_ms=round(call.duration_ms),
                error_code=call.error_code,
            )
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop`, then once more."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(_FLUSH_SECONDS):
                    await stop.wait()
            except TimeoutError:
                pass
            await self._flush()
        await self._flush()

    async def _flush(self) -> None:
        rows = list(self._waiting)
        if not rows:
            return
        self._waiting.clear()
        try:
            await self.book.record(rows)
        except DatabaseUnavailable as error:
            self._waiting.extendleft(reversed(rows))
            log.warning("call_book_waits", rows=len(rows), error=error.message)
