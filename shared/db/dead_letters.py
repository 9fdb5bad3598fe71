"""Parked messages: kept with the reason why, sent again or discarded by a person.

A message is sent again through the outbox, in the transaction that marks it, so it leaves exactly
as often as somebody asked for it. Dying between publish and delete of the outbox row sends the
same copy a second time, which every handler stands; if that copy is parked too, its mark tells
that it is known already.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.db.pool import Database
from shared.db.queries import load
from shared.domain.errors import ConflictError, HandlerFailed, NotFound
from shared.domain.states import ExecutionState
from shared.observability.stop_points import StopPoint, reach

_SQL = load("dead_letters")

_PREVIEW_CHARS: Final = 4_000
LAST: Final = 2**63 - 1
"""The cursor in front of the first page: the newest comes first."""


class NotRedrivable(ConflictError):
    """Sending this message again would change nothing, or cannot be done."""

    code = "not_redrivable"


class AlreadySettled(ConflictError):
    """Somebody has sent this message again, or discarded it."""

    code = "already_settled"
    default_hint = "Read it again: its history says who did what, and when."


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that nobody could handle."""

    queue: str
    message_id: str
    message_type: str | None
    body: str
    headers: Mapping[str, Any]
    correlation_id: str | None
    reason: str
    execution_id: UUID | None = None
    reply_to: str | None = None
    redrive_id: UUID | None = None
    """The mark of a message that was sent again; see `dead_letters.redrive_id`."""


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """A parked message as people see it. `body` holds its first characters, none in lists."""

    id: int
    queue: str
    message_id: str
    message_type: str | None
    reason: str
    correlation_id: str | None
    execution_id: UUID | None
    execution_state: ExecutionState | None
    parked_count: int
    parked_at: datetime
    last_parked_at: datetime
    status: str
    """`open`, `redriven` or `discarded`."""
    settled_at: datetime | None
    size_bytes: int
    body: str


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """One thing that happened to a parked message."""

    at: datetime
    kind: str
    by: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class ParkedFilter:
    """Which parked messages; None does not restrict. `reason` is an error's code."""

    queue: str | None = None
    message_type: str | None = None
    reason: str | None = None
    parked_before: datetime | None = None

    def arguments(self) -> tuple[object, ...]:
        """In the order of the statements."""
        return (self.queue, self.message_type, self.reason, self.parked_before)


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of one message: `sent`, or why it was left alone."""

    id: int
    outcome: str


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The repository of parked messages."""

    database: Database

    async def record(self, letter: DeadLetter) -> bool:
        """Keep it; a second delivery changes nothing. Whether it is open, that is, waits for a
        person: false for a late copy of one that was sent again or discarded meanwhile."""
        return bool(
            await self.database.fetchval(
                _SQL["record"],
                letter.queue,
                letter.message_id,
                letter.message_type,
                letter.body,
                dict(letter.headers),
                letter.correlation_id,
                letter.reason,
                letter.execution_id,
                letter.reply_to,
                letter.redrive_id,
            )
        )

    async def fail_parked(self, execution_id: UUID, *, reason: str) -> bool:
        """End an execution whose command was parked before anything was sent, or after AMC had
        finished; False if it is in another state and will be moved on by its timers."""
        error = HandlerFailed(f"Its command could not be handled: {reason}")
        return bool(
            await self.database.fetchval(
                _SQL["fail_parked"], execution_id, error.code, error.message, error.hint
            )
        )

    async def page(
        self, wanted: ParkedFilter, *, status: str, before: int, limit: int
    ) -> list[ParkedMessage]:
        """The newest first; `status` may be `all`."""
        rows = await self.database.fetch(
            _SQL["page_of_parked"], before, limit, status, *wanted.arguments()
        )
        return [ParkedMessage(**dict(row)) for row in rows]

    async def get(self, letter: int) -> ParkedMessage:
        """NotFound if there is none."""
        row = await self.database.fetchrow(_SQL["parked_by_id"], letter, _PREVIEW_CHARS)
        if row is None:
            raise _absent(letter)
        return ParkedMessage(**dict(row))

    async def history(self, letter: int) -> list[ParkedEvent]:
        """What happened to it, oldest first."""
        rows = await self.database.fetch(_SQL["history_of_parked"], letter)
        return [ParkedEvent(**dict(row)) for row in rows]

    async def redrive(self, letter: int, *, by: str, queues: Collection[str]) -> None:
        """Send it again into the queue it came from, which must be among `queues`.

        NotFound, AlreadySettled, or NotRedrivable with what to do instead.
        """
        outcome = await self.database.fetchval(_SQL["redrive"], letter, by, list(queues))
        if outcome is None:
            raise _absent(letter)
        if outcome in _SETTLED:
            raise AlreadySettled(f"Parked message {letter} is {outcome} already.")
        if outcome in _REFUSED:
            problem, hint = _REFUSED[outcome]
            raise NotRedrivable(f"Parked message {letter} {problem}.", hint=hint)
        reach(StopPoint.REDRIVE_COMMITTED)

    async def redrive_all(
        self,
        wanted: ParkedFilter,
        *,
        by: str,
        queues: Collection[str],
        after: int = 0,
        limit: int,
    ) -> Sequence[Redriven]:
        """Send those that are open again, oldest first, each once; all of them or, on an error,
        none. Go on after the last id given back until fewer than `limit` come."""
        rows = await self.database.fetch(
            _SQL["redrive_all"], after, limit, by, list(queues), *wanted.arguments()
        )
        if rows:
            reach(StopPoint.REDRIVE_COMMITTED)
        return [Redriven(row["id"], row["outcome"]) for row in rows]

    async def discard(self, letter: int, *, by: str, reason: str) -> None:
        """Leave it for good; it stays as a record. NotFound or AlreadySettled."""
        outcome = await self.database.fetchval(_SQL["discard"], letter, by, reason)
        if outcome is None:
            raise _absent(letter)
        if outcome in _SETTLED:
            raise AlreadySettled(f"Parked message {letter} is {outcome} already.")


_SETTLED: Final = ("redriven", "discarded")
_REFUSED: Final = {
    "ended": (
        "is about an execution that has ended",
        "Retry the execution, then discard the message.",
    ),
    "unreadable": (
        "is not JSON, so nobody could ever handle it",
        "Ask its sender for a correct one, then discard it.",
    ),
    "unknown_queue": (
        "names a queue that is none of ours",
        "Find out who published it, then discard it.",
    ),
}


def _absent(letter: int) -> NotFound:
    return NotFound(f"There is no parked message {letter}.")
