"""Publishes the outbox: this process's own rows right after their commit, others' when left behind.

Dying between commit and publish leaves a row whose lease runs out: another relay sends it. Dying
between confirm and delete sends it twice, under the same message id; every handler stands that.
With the broker away rows stay, nothing waits for it, and the relay catches up by itself; what it
had taken and could not send it lets go, so that whoever reaches the broker first sends it.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from shared.db.outbox import Outbox, OutboxRow
from shared.db.timers import ALL
from shared.domain.errors import BrokerUnavailable, DatabaseUnavailable
from shared.messaging.envelope import OutgoingMessage
from shared.messaging.messages import COMMANDS
from shared.messaging.publisher import Publisher
from shared.messaging.topology import Topology
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach

log = get_logger()

_BATCH: Final = 500
_LOOK_SECONDS: Final = 0.5
_NOTHING_WRITTEN_SECONDS: Final = 0.05
"""Most handlers write no message. After a look for nothing the next ones share one."""
_BACK: Final = timedelta(minutes=1)
_DEEP_SECONDS: Final = 10.0
"""Most looks go back a minute; one in ten seconds, and what follows a failure, all the way."""
_LATE_IDS: Final = 10_000
"""So far below the newest of ours that was sent, a row of ours may commit and leave at once."""
_ROUTING_KEYS: Final[Mapping[str, str]] = {model.TYPE: model.ROUTING_KEY for model in COMMANDS}
QUEUE_HEADER: Final = "x-queue"
"""On a row: straight into this queue, not through the exchange of commands."""
REPLY_TO_HEADER: Final = "x-reply-to"
"""On a row: where its answer is wanted."""


@dataclass(slots=True)
class OutboxRelay:
    """One process's relay."""

    outbox: Outbox
    publisher: Publisher
    topology: Topology = field(default_factory=Topology)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _next_look: float = 0.0
    _next_fresh_look: float = 0.0
    _next_deep_look: float = 0.0
    _newest_sent: int = 0
    _is_cut_off: bool = False

    def wake(self) -> None:
        """Something was committed: publish it now."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then what this process wrote is published or given back."""
        while not stop.is_set():
            woken = await self._wait(stop)
            try:
                await self._drain(fresh=woken)
            except (BrokerUnavailable, DatabaseUnavailable) as error:
                self._is_cut_off, self._next_deep_look = True, 0.0
                log.warning("relay_interrupted", error_code=error.code, error=error.message)
                await _pause(stop, _LOOK_SECONDS)
        await self._leave()

    async def _wait(self, stop: asyncio.Event) -> bool:
        woken = asyncio.ensure_future(self._woken.wait())
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait(
                {woken, stopped},
                timeout=_LOOK_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            early = self._next_fresh_look - time.monotonic()
            if self._woken.is_set() and early > 0:
                await _pause(stop, early)
            return self._woken.is_set()
        finally:
            woken.cancel()
            stopped.cancel()
            self._woken.clear()

    async def _drain(self, *, fresh: bool) -> None:
        """Our own rows at once when woken; what others left behind twice a second."""
        if self._is_cut_off and not await self.publisher.check():
            # What we took now, somebody who can reach the broker could not take.
            return
        self._is_cut_off = False
        while fresh:
            rows = await self.outbox.fresh(limit=_BATCH, above=self._newest_sent - _LATE_IDS)
            await self._publish(rows)
            if not rows:
                self._next_fresh_look = time.monotonic() + _NOTHING_WRITTEN_SECONDS
            fresh = len(rows) == _BATCH
        if time.monotonic() < self._next_look:
            return
        await self._drain_left_behind()
        self._next_look = time.monotonic() + _LOOK_SECONDS

    async def _drain_left_behind(self) -> None:
        is_deep = time.monotonic() >= self._next_deep_look
        while True:
            rows = await self.outbox.claim_left_behind(limit=_BATCH, back=ALL if is_deep else _BACK)
            if not rows:
                if is_deep:
                    self._next_deep_look = time.monotonic() + _DEEP_SECONDS
                return
            await self._publish(rows)

    async def _publish(self, rows: Sequence[OutboxRow]) -> None:
        if not rows:
            return
        reach(StopPoint.RELAY_CLAIMED)
        receipts = await self.publisher.publish_many([self._message(row) for row in rows])
        confirmed = [
            row.id for row, receipt in zip(rows, receipts, strict=True) if receipt.confirmed
        ]
        if confirmed:
            reach(StopPoint.RELAY_CONFIRMED)
            await self.outbox.delete(confirmed)
            self._newest_sent = max(self._newest_sent, *confirmed)
        # What no queue takes keeps its lease: it would only come back at once.
        unsent = [
            row.id
            for row, receipt in zip(rows, receipts, strict=True)
            if receipt.error is not None and not receipt.unroutable
        ]
        if unsent:
            await self.outbox.let_go(unsent)
        for receipt in receipts:
            if receipt.error is not None:
                raise receipt.error

    def _message(self, row: OutboxRow) -> OutgoingMessage:
        headers = dict(row.headers)
        queue = headers.pop(QUEUE_HEADER, None)
        reply_to = headers.pop(REPLY_TO_HEADER, None)
        return OutgoingMessage(
            message_id=row.message_id,
            exchange="" if queue else self.topology.commands.name,
            routing_key=queue or _ROUTING_KEYS[row.message_type],
            type=row.message_type,
            body=row.body,
            correlation_id=row.correlation_id,
            headers=headers,
            reply_to=reply_to,
        )

    async def _leave(self) -> None:
        try:
            await self._drain(fresh=True)
        except (BrokerUnavailable, DatabaseUnavailable) as error:
            log.warning("relay_left_messages", error_code=error.code, error=error.message)
        try:
            await self.outbox.give_back()
        except DatabaseUnavailable as error:
            log.warning("relay_kept_leases", error_code=error.code, error=error.message)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
