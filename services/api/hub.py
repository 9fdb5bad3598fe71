"""One tail of the event log for this process, shared by everyone who listens over HTTP.

A listener that reads too slowly is cut off: it comes back with Last-Event-ID and misses nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from shared.db.events import EventLog, EventTail, ExecutionEvent
from shared.domain.errors import DatabaseUnavailable
from shared.observability.logs import get_logger

log = get_logger()

_POLL_SECONDS = 0.25
_AWAY_SECONDS = 1.0
_PAGE = 500
_BUFFER = 2_000
# At the start gaps may be open below the newest id; this far back they are looked for.
_LOOK_BACK = 1_000


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and the id from which a listener that heard it may start again."""

    event: ExecutionEvent
    resume_from: int


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events somebody listens to; an empty member does not restrict."""

    execution_id: UUID | None = None
    workflow_id: UUID | None = None
    instance_id: str | None = None

    def lets_through(self, event: ExecutionEvent) -> bool:
        return (
            self.execution_id in {None, event.execution_id}
            and self.workflow_id in {None, event.workflow_id}
            and self.instance_id in {None, event.instance_id}
        )


@dataclass(slots=True, eq=False)
class Listener:
    """One buffer that the tail fills; `None` in it is the end."""

    wanted: EventFilter
    told: asyncio.Queue[Told | None] = field(default_factory=lambda: asyncio.Queue(_BUFFER + 1))

    def tell(self, told: Told) -> bool:
        """False if it is too slow; then this is its end."""
        if self.wanted.lets_through(told.event):
            if self.told.qsize() >= _BUFFER:
                self.end()
                return False
            self.told.put_nowait(told)
        return True

    def end(self) -> None:
        if not self.told.full():
            self.told.put_nowait(None)


@dataclass(slots=True)
class EventHub:
    """Tells every listener what the tail sees."""

    event_log: EventLog
    poll_seconds: float = _POLL_SECONDS
    make_tail: Callable[[EventLog, int], EventTail] = EventTail
    _tail: EventTail | None = None
    _listeners: set[Listener] = field(default_factory=set)
    _closed: bool = False

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; a database that is away is waited for."""
        while not stop.is_set():
            pause = self.poll_seconds
            try:
                if await self._look() == _PAGE:
                    continue
            except DatabaseUnavailable as error:
                log.warning("events_interrupted", error=error.message)
                pause = _AWAY_SECONDS
            await _pause(stop, pause)
        self.close()

    def close(self) -> None:
        """End all streams, now and from now on: the process is about to stop."""
        self._closed = True
        for listener in self._listeners:
            listener.end()

    async def listen(self, wanted: EventFilter, last_event_id: int | None) -> AsyncIterator[Told]:
        """First what was missed since `last_event_id`, then what happens; ends when cut off."""
        with self._subscribed(wanted) as listener:
            if last_event_id is not None:
                async for told in self._missed(wanted, last_event_id):
                    yield told
            while (live := await listener.told.get()) is not None:
                yield live

    async def _look(self) -> int:
        if self._tail is None:
            self._tail = await self._started()
        events = await self._tail.look(limit=_PAGE)
        resume_from = self._tail.safe_point
        for event in events:
            self._tell(Told(event, min(event.id, resume_from)))
        return len(events)

    async def _started(self) -> EventTail:
        """A tail that knows the open gaps and has nothing old to tell."""
        newest = await self.event_log.newest_id()
        tail = self.make_tail(self.event_log, max(0, newest - _LOOK_BACK))
        while len(await tail.look(limit=_PAGE)) == _PAGE:
            pass
        return tail

    def _tell(self, told: Told) -> None:
        for listener in list(self._listeners):
            if not listener.tell(told):
                self._listeners.discard(listener)

    async def _missed(self, wanted: EventFilter, last_event_id: int) -> AsyncIterator[Told]:
        # The safe point is read before the page: what the tail learns meanwhile is told live.
        position = last_event_id
        while True:
            safe_point = self._tail.safe_point if self._tail else last_event_id
            events = await self.event_log.since(position, limit=_PAGE)
            for event in events:
                if wanted.lets_through(event):
                    yield Told(event, max(last_event_id, min(event.id, safe_point)))
            if len(events) < _PAGE:
                return
            position = events[-1].id

    @contextmanager
    def _subscribed(self, wanted: EventFilter) -> Iterator[Listener]:
        listener = Listener(wanted)
        self._listeners.add(listener)
        if self._closed:
            listener.end()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
