"""Whether this process can accept requests: the database answers, and its schema is ours.

The broker is only reported: while it is away requests are accepted and their messages wait.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from services.api.ports import BrokerState
from shared.domain.errors import DatabaseUnavailable

_PATIENCE_SECONDS = 1.0


class SchemaState(Protocol):
    """The revision a database is at; None if it was never migrated."""

    async def revision(self) -> str | None: ...


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
    """Looks now, for at most a second at each."""

    schema: SchemaState
    broker: BrokerState
    expected_revision: str

    async def look(self) -> Report:
        """Never raises for what is away or slow: that is what it reports."""
        revision, broker = await asyncio.gather(self._revision(), self._broker())
        return Report(
            # A newer schema still serves older code; revisions are numbers of equal length.
            ready=revision is not None and revision >= self.expected_revision,
            database="unavailable" if revision is None else "available",
            schema_revision=revision or None,
            expected_revision=self.expected_revision,
            broker=broker,
        )

    async def _revision(self) -> str | None:
        """Empty for a database that answers and has no schema."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self.schema.revision() or ""
        except (TimeoutError, DatabaseUnavailable):
            return None

    async def _broker(self) -> str:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                is_connected = await self.broker.check()
        except TimeoutError:
            is_connected = False
        return "connected" if is_connected else "disconnected"
