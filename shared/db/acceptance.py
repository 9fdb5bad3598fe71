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
class NewRequest:
    """Executions that are accepted together or not at all, and who asked for them."""

    executions: Sequence[NewExecution]
    owner: str
    request_id: str
    remember: RememberedRequest | None = None


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
        await self.accept_all([NewRequest(executions, owner, request_id, remember)])

    async def accept_all(self, requests: Sequence[NewRequest]) -> None:
        """Several requests in one commit: all of them or none, in this order in line."""
        rows = [
            _as_json(execution, request) for request in requests for execution in request.executions
        ]
        keys = [
            (key.owner, key.scope, key.key, key.request_sha256, key.response)
            for key in (request.remember for request in requests)
            if key is not None
        ]
        async with self.database.transaction() as connection:
            if keys:
                await connection.executemany(_SQL["remember"], keys)
            await connection.fetchval(_SQL["accept"], rows)
            reach(StopPoint.ACCEPT_BEFORE_COMMIT)

    async def admit(self, instance_ids: Collection[int]) -> int:
        """Move as many on as there are free slots; how many moved."""
        return int(await self.database.fetchval(_SQL["admit"], sorted(instance_ids)))


def _as_json(execution: NewExecution, request: NewRequest) -> dict[str, Any]:
    # Not `asdict`: it copies deeply, which was a third of the time of a large request.
    row = {name: _plain(getattr(execution, name)) for name in _COLUMNS}
    row["owner"], row["request_id"] = request.owner, request.request_id
    return row


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID | datetime) else value
