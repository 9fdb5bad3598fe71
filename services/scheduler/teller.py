"""Tells the world: every state change goes to the exchange of events, at least once.

The log of events in the database is the source; what was told is remembered as a position, so a
restart repeats a little and misses nothing. One replica tells at a time, the others take over when
it has been silent for a while; that only saves work. One that was frozen in the middle tells some
twice, and readers tell events apart by their id. With the broker away the position stays.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from uuid import NAMESPACE_OID, UUID, uuid5

from shared.db.events import EventTail, ExecutionEvent
from shared.db.telling import Told
from shared.domain.errors import BrokerUnavailable, DatabaseUnavailable
from shared.domain.states import ExecutionState
from shared.messaging.envelope import OutgoingMessage, event
from shared.messaging.messages import ExecutionChanged
from shared.messaging.publisher import Publisher
from shared.messaging.topology import Topology
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach

log = get_logger()

_EVERY_SECONDS: Final = 0.25
_AWAY_SECONDS: Final = 2.0
_BATCH: Final = 500
_TURN: Final = timedelta(seconds=3)
"""Longer than a batch takes, and how late events come when their teller has died."""


class Positions(Protocol):
    """How far has been told, and on whose behalf an execution runs."""

    async def position(self) -> int: ...
    async def take_turn(self, *, lease: timedelta) -> int | None: ...
    async def remember(self, last_id: int) -> None: ...
    async def owners(self, executions: Sequence[UUID]) -> Mapping[UUID, Told]: ...


@dataclass(frozen=True, slots=True)
class Teller:
    """Follows the log of events and publishes it."""

    tail: EventTail
    positions: Positions
    publisher: Publisher
    topology: Topology

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        started = False
        while not stop.is_set():
            wait = _EVERY_SECONDS
            try:
                if not started:
                    self.tail.last_id = await self.positions.position()
                    started = True
                while await self._tell() == _BATCH:
                    pass
            except (BrokerUnavailable, DatabaseUnavailable) as error:
                log.warning("telling_interrupted", error_code=error.code, error=error.message)
                started, wait = False, _AWAY_SECONDS
            try:
                async with asyncio.timeout(wait):
                    await stop.wait()
            except TimeoutError:
                continue

    async def _tell(self) -> int:
        told = await self.positions.take_turn(lease=_TURN)
        if told is None:
            return 0
        self.tail.skip_to(told)
        events = await self.tail.look(limit=_BATCH)
        if events:
            await self._publish(events)
        if self.tail.safe_point > told:
            # Also where nothing came out: a gap that was given up is behind us.
            await self.positions.remember(self.tail.safe_point)
        return len(events)

    async def _publish(self, events: Sequence[ExecutionEvent]) -> None:
        owners = await self.positions.owners([each.execution_id for each in events])
        messages = [
            self._message(each, owners[each.execution_id])
            for each in events
            if each.to_state is not None and each.execution_id in owners
        ]
        reach(StopPoint.TELL_READ)
        for receipt in await self.publisher.publish_many(messages) if messages else ():
            if receipt.error is not None:
                raise receipt.error
        reach(StopPoint.TELL_PUBLISHED)

    def _message(self, told: ExecutionEvent, owner: Told) -> OutgoingMessage:
        changed = ExecutionChanged(
            event_id=told.id,
            execution_id=told.execution_id,
            workflow_id=owner.workflow_id,
            instance_id=owner.amc_instance_id,
            from_state=None if told.from_state is None else ExecutionState(told.from_state),
            to_state=ExecutionState(str(told.to_state)),
            at=told.at,
            error_code=told.error_code,
            owner=owner.owner,
            tags=dict(owner.tags),
        )
        message_id = uuid5(NAMESPACE_OID, f"amcflow event {told.id}")
        return event(changed, self.topology, message_id=message_id, correlation_id=owner.request_id)
