"""Whether this process can accept requests: the database answers, and its schema is ours.

The broker is only reported: while it is away requests are accepted and their messages wait.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from services.api.ports import BrokerState
from shared.domain.errors import DatabaseUnavailable

_PATIENCE_SECONDS = 1.0


class Schema(Protocol):
    """The revision a database is at."""

    async def schema_revision(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Report:
    """What was found."""

    ready: bool
    database: str
    schema_revision: str | None
    expected_revision: str
    broker: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Looks now, for at most a second."""

    schema: Schema
    broker: BrokerState
    expected_revision: str

    async def look(self) -> Report:
        """Never raises for a database that is away or slow: that is what it reports."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                revision = await self.schema.schema_revision()
        except (TimeoutError, DatabaseUnavailable):
            return self._report(ready=False, database="unavailable", revision=None)
        return self._report(
            ready=revision == self.expected_revision, database="available", revision=revision
        )

    def _report(self, *, ready: bool, database: str, revision: str | None) -> Report:
        broker = "connected" if self.broker.connected else "disconnected"
        return Report(ready, database, revision, self.expected_revision, broker)
