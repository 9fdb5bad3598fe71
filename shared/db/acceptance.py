"""Acceptance: requests become rows, durably and all at once; admission follows by itself.

The committed row is the promise. Whoever dies after it, the rescuer's look admits what is left.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db.pool import Database
from shared.db.queries import load
from shared.observability.stop_points import StopPoint, reach

_SQL = load("acceptance")


@dataclass(frozen=True, slots=True)
class NewExecution:
    """A validated request for one execution."""

    id: UUID
    workflow_id: UUID
    amc_workflow_id: str
    instance_id: int
    account_id: int
    priority: int
    lane: str
    tags: dict[str, str]
    retry_of: UUID | None
    time_window_type: str
    time_window_start: datetime | None
    time_window_end: datetime | None
    time_zone: str
    parameters: dict[str, str]
    output_format: str
    deadline_seconds: int
    queue_timeout_seconds: int | None


_COLUMNS = tuple(field.name for field in fields(NewExecution))


@dataclass(frozen=True, slots=True)
class RememberedRequest:
    """A request by its idempotency key, with the answer that it got."""

    owner: str
    scope: str
    key: str
    request_sha256: bytes
    response: Any


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The repository of what was asked for."""

    database: Database

    async def accept(
        self,
        executions: Sequence[NewExecution],
        *,
        owner: str,
        request_id: str,
        remember: RememberedRequest | None = None,
    ) -> None:
        """Store all of them, or none. StaleTransition if the idempotency key is taken."""
        rows = [_as_json(execution) for execution in executions]
        async with self.database.transaction() as connection:
            if remember is not None:
                await connection.execute(
                    _SQL["remember"],
                    remember.owner,
                    remember.scope,
                    remember.key,
                    remember.request_sha256,
                    remember.response,
                )
            await connection.fetchval(_SQL["accept"], rows, owner, request_id)
            reach(StopPoint.ACCEPT_BEFORE_COMMIT)

    async def admit(self, instance_ids: Collection[int]) -> int:
        """Move as many on as there are free slots; how many moved."""
        return int(await self.database.fetchval(_SQL["admit"], sorted(instance_ids)))


def _as_json(execution: NewExecution) -> dict[str, Any]:
    # Not `asdict`: it copies deeply, which was a third of the time of a large request.
    return {name: _plain(getattr(execution, name)) for name in _COLUMNS}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID | datetime) else value
