"""The stream of execution events, none missed: read by the API and by who publishes to the broker.

Event ids are given out before commit, so a lower id may appear after a higher one. The tail
remembers the gaps below the highest id it has seen and looks at them again for a while; only a
transaction that rolled back, or took longer than that, leaves a gap for good.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.db.pool import Database
from shared.db.queries import load

_SQL = load("events")

_PATIENCE_SECONDS = 15.0
_MOST_GAPS = 100_000


@dataclass(frozen=True, slots=True)
class ExecutionEvent:
    """One thing that happened; `instance_id` is Amazon's, None once the execution is gone."""

    id: int
    execution_id: UUID
    workflow_id: UUID | None
    instance_id: str | None
    at: datetime
    kind: str
    from_state: str | None
    to_state: str | None
    error_code: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class EventLog:
    """The repository of events."""

    database: Database

    async def newest_id(self) -> int:
        """The highest id so far; 0 when nothing has happened yet."""
        return int(await self.database.fetchval(_SQL["newest_event"]))

    async def since(
        self, last_id: int, *, gaps: Sequence[int] = (), limit: int
    ) -> list[ExecutionEvent]:
        """Those behind `last_id`, at most `limit`, and those whose ids are named, by id."""
        rows = await self.database.fetch(_SQL["events_since"], last_id, list(gaps), limit)
        return [ExecutionEvent(**dict(row)) for row in rows]


@dataclass(slots=True)
class EventTail:
    """Follows the log from `last_id` on; each event comes out once."""

    log: EventLog
    last_id: int
    patience_seconds: float = _PATIENCE_SECONDS
    clock: Callable[[], float] = time.monotonic
    _gaps: dict[int, float] = field(default_factory=dict)

    @property
    def safe_point(self) -> int:
        """Everything up to here has come out: the place for a reader to start again from."""
        return min(self._gaps) - 1 if self._gaps else self.last_id

    async def look(self, *, limit: int = 500) -> list[ExecutionEvent]:
        """What is new, late ones included, by id; as many as `limit` means: look again at once."""
        events = await self.log.since(self.last_id, gaps=list(self._gaps), limit=limit)
        now = self.clock()
        for event in events:
            if event.id <= self.last_id:
                self._gaps.pop(event.id, None)
            else:
                self._remember_gaps(event.id, now)
                self.last_id = event.id
        self._forget_old_gaps(now)
        return events

    def skip_to(self, last_id: int) -> None:
        """Everything up to there is somebody else's: neither it nor a gap below comes out."""
        self.last_id = max(self.last_id, last_id)
        for missing in [gap for gap in self._gaps if gap <= last_id]:
            del self._gaps[missing]

    def _remember_gaps(self, seen: int, now: float) -> None:
        until = now + self.patience_seconds
        room = _MOST_GAPS - len(self._gaps)
        for missing in range(max(self.last_id + 1, seen - room), seen):
            self._gaps[missing] = until

    def _forget_old_gaps(self, now: float) -> None:
        for missing in [gap for gap, until in self._gaps.items() if until <= now]:
            del self._gaps[missing]
