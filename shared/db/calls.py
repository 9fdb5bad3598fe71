"""The book of calls to AMC: who asked what, when, how it ended. No tokens, no signed links."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.db.pool import Database
from shared.db.queries import load

_SQL = load("calls")


@dataclass(frozen=True, slots=True)
class CallRow:
    """One attempt of one call."""

    at: datetime
    caller: str
    call: str
    instance_id: int | None
    method: str
    path: str
    status: int | None
    request_id: str | None
    duration_ms: int
    error_code: str | None


@dataclass(frozen=True, slots=True)
class CallBook:
    """The repository of calls."""

    database: Database

    async def record(self, calls: Sequence[CallRow]) -> None:
        """Write many at once."""
        columns = zip(
            *(
                (
                    call.at,
                    call.caller,
                    call.call,
                    call.instance_id,
                    call.method,
                    call.path,
                    call.status,
                    call.request_id,
                    call.duration_ms,
                    call.error_code,
                )
                for call in calls
            ),
            strict=True,
        )
        await self.database.execute(_SQL["record"], *(list(column) for column in columns))
