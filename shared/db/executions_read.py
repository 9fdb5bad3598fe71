"""Executions as people read them; every move of one is made elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from shared.db.acceptance import NewExecution
from shared.db.pool import Database
from shared.db.queries import load
from shared.db.workflows import BEFORE_ALL
from shared.domain.errors import NotFound
from shared.domain.ids import EXECUTION_PREFIX, show
from shared.domain.states import ExecutionState

_SQL = load("executions_read")

Version = tuple[int, int, int]
"""Of an execution's row and of those of its workflow and its instance: while it is the same,
everything shown of the execution is the same."""
Versioned = tuple[UUID, Version]


@dataclass(frozen=True, slots=True)
class Execution:
    """Everything a person may see of one execution; `instance_id` is Amazon's."""

    id: UUID
    workflow_id: UUID
    workflow_name: str
    instance_id: str
    state: ExecutionState
    amc_status: str | None
    amc_status_reason: str | None
    amc_execution_id: str | None
    amc_workflow_id: str
    priority: int
    time_window_type: str
    time_window_start: datetime | None
    time_window_end: datetime | None
    time_zone: str
    parameters: dict[str, str]
    output_format: str
    deadline_seconds: int
    queue_timeout_seconds: int | None
    tags: dict[str, str]
    retry_of: UUID | None
    owner: str
    request_id: str
    row_count: int | None
    size_bytes: int | None
    output_location: str | None
    error_code: str | None
    error_message: str | None
    error_hint: str | None
    created_at: datetime
    admitted_at: datetime | None
    submitted_at: datetime | None
    running_at: datetime | None
    remote_finished_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an execution stands: what is asked for often."""

    id: UUID
    state: ExecutionState
    amc_status: str | None
    row_count: int | None
    error_code: str | None
    error_message: str | None
    error_hint: str | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions to list; an empty member does not restrict."""

    states: Sequence[ExecutionState] = ()
    workflow_id: UUID | None = None
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to an execution."""

    at: datetime
    kind: str
    from_state: str | None
    to_state: str | None
    error_code: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class QueueObstacles:
    """What may hold a queued execution back, as of now."""

    no_credential: bool
    paused: bool
    amc_is_full: bool
    quota_used_up: bool
    account_is_full: bool
    instance_is_full: bool


@dataclass(frozen=True, slots=True)
class Original:
    """An execution to be repeated, with what decides whether it may be."""

    execution: NewExecution
    state: ExecutionState
    is_workflow_deleted: bool


@dataclass(frozen=True, slots=True)
class ExecutionsRead:
    """The repository of what executions look like."""

    database: Database

    async def get(self, execution_id: UUID) -> Execution:
        """NotFound if there is none."""
        rows = await self.database.fetch(_SQL["executions_by_id"], [execution_id])
        return _execution(_existing(rows[0] if rows else None, execution_id))

    async def state(self, execution_id: UUID) -> ExecutionState:
        """Its state alone; NotFound if there is none."""
        row = await self.database.fetchrow(_SQL["state_of_execution"], execution_id)
        return ExecutionState(_existing(row, execution_id)["state"])

    async def standing(self, execution_id: UUID) -> Standing:
        """Where it stands; NotFound if there is none."""
        row = await self.database.fetchrow(_SQL["standing_of_execution"], execution_id)
        members = dict(_existing(row, execution_id))
        members["state"] = ExecutionState(members["state"])
        return Standing(**members)

    async def of(self, ids: Sequence[UUID]) -> list[Execution]:
        """Those that exist, the newest first."""
        rows = await self.database.fetch(_SQL["executions_by_id"], ids)
        return [_execution(row) for row in rows]

    async def page(
        self, wanted: ExecutionFilter, *, after: UUID = BEFORE_ALL, limit: int
    ) -> list[Versioned]:
        """Which executions are on a page, the newest first; what is new of them is in `of`."""
        rows = await self._versions(wanted, after, limit)
        return [(row[0], (row[1], row[2], row[3])) for row in rows]

    async def _versions(self, wanted: ExecutionFilter, after: UUID, limit: int) -> list[Record]:
        # One statement for each leading filter, because each has an index of its own.
        states = [state.value for state in wanted.states] or None
        if wanted.workflow_id is not None:
            return await self.database.fetch(
                _SQL["versions_of_workflow"],
                after,
                limit,
                wanted.workflow_id,
                wanted.instance_id,
                states,
            )
        if wanted.instance_id is not None:
            return await self.database.fetch(
                _SQL["versions_of_instance"], after, limit, wanted.instance_id, states
            )
        if states is not None:
            return await self.database.fetch(_SQL["versions_in_states"], after, limit, states)
        return await self.database.fetch(_SQL["versions_of_all"], after, limit)

    async def timeline(self, execution_id: UUID) -> list[TimelineEntry]:
        """Its history, oldest first; NotFound if there is no such execution."""
        rows = await self.database.fetch(_SQL["timeline"], execution_id)
        if not rows:
            await self.state(execution_id)
        return [TimelineEntry(**dict(row)) for row in rows]

    async def obstacles(self, execution_id: UUID) -> QueueObstacles:
        """What may hold it back; meaningful while it is queued."""
        row = await self.database.fetchrow(_SQL["obstacles"], execution_id)
        return QueueObstacles(**dict(_existing(row, execution_id)))

    async def original(self, execution_id: UUID) -> Original:
        """What it ran, for a retry; NotFound if there is none."""
        row = await self.database.fetchrow(_SQL["original"], execution_id)
        members = dict(_existing(row, execution_id))
        return Original(
            NewExecution(**{field.name: members[field.name] for field in fields(NewExecution)}),
            ExecutionState(members["state"]),
            members["is_workflow_deleted"],
        )


def _existing(row: Record | None, execution_id: UUID) -> Record:
    if row is None:
        raise NotFound(f"There is no execution {show(EXECUTION_PREFIX, execution_id)}.")
    return row


def _execution(row: Record) -> Execution:
    members = dict(row)
    members["state"] = ExecutionState(members["state"])
    return Execution(**members)
