"""Parked messages, kept where they can be listed, with the reason why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.db.pool import Database
from shared.db.queries import load
from shared.domain.errors import HandlerFailed

_SQL = load("dead_letters")


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


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The repository of parked messages."""

    database: Database

    async def record(self, letter: DeadLetter) -> None:
        """Keep it; a second delivery changes nothing."""
        await self.database.execute(
            _SQL["record"],
            letter.queue,
            letter.message_id,
            letter.message_type,
            letter.body,
            dict(letter.headers),
            letter.correlation_id,
            letter.reason,
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
