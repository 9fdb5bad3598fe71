"""Executions as they go out; how they are asked for stands in `shared.intake.models`.

What is read most often is written as JSON here, without a model of each answer in between: the
models say in the OpenAPI document what it looks like, and a test compares both.
"""

from datetime import datetime

from pydantic import BaseModel
from pydantic_core import to_json

from shared.db.executions_read import Execution, QueueObstacles, Standing, TimelineEntry
from shared.domain.ids import EXECUTION_PREFIX, WORKFLOW_PREFIX, show
from shared.intake.models import AcceptedItem


class AcceptedOut(BaseModel):
    """An execution that now exists."""

    id: str
    status: str


class TimeWindowOut(BaseModel):
    """The window as AMC gets it: times without an offset, in `time_zone`."""

    type: str
    start: datetime | None
    end: datetime | None
    time_zone: str


class ErrorOut(BaseModel):
    """Why it failed and what a person can do."""

    code: str
    message: str
    hint: str


class ExecutionOut(BaseModel):
    """One run of a workflow. `amc_status` is AMC's own word."""

    id: str
    workflow_id: str
    workflow_name: str
    instance_id: str
    status: str
    amc_status: str | None
    amc_status_reason: str | None
    amc_execution_id: str | None
    amc_workflow_id: str
    priority: int
    time_window: TimeWindowOut
    parameters: dict[str, str]
    output_format: str
    deadline_seconds: int
    queue_timeout_seconds: int | None
    tags: dict[str, str]
    retry_of: str | None
    requested_by: str
    request_id: str
    row_count: int | None
    size_bytes: int | None
    output_location: str | None
    error: ErrorOut | None
    created_at: datetime
    admitted_at: datetime | None
    submitted_at: datetime | None
    running_at: datetime | None
    remote_finished_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None


class ExecutionDetail(ExecutionOut):
    """One execution, with the reason why it is still queued: credential, paused, quota,
    amc_limit, account_limit, slots, or admission where nothing is in its way."""

    waiting_for: str | None


class StatusOut(BaseModel):
    """Where it stands; small enough to be asked for often."""

    id: str
    status: str
    amc_status: str | None
    row_count: int | None
    error: ErrorOut | None
    finished_at: datetime | None


class TimelineEntryOut(BaseModel):
    """One thing that happened."""

    at: datetime
    kind: str
    from_status: str | None
    to_status: str | None
    error_code: str | None
    detail: str | None


class TimelineOut(BaseModel):
    """Everything that happened to an execution, oldest first."""

    id: str
    items: list[TimelineEntryOut]


def accepted_json(item: AcceptedItem) -> bytes:
    """An `AcceptedOut`."""
    return to_json({"id": item.id, "status": item.status})


def execution_json(execution: Execution) -> bytes:
    """An `ExecutionOut`; its values come from typed columns and are not looked at one by one."""
    return to_json(
        {
            "id": show(EXECUTION_PREFIX, execution.id),
            "workflow_id": show(WORKFLOW_PREFIX, execution.workflow_id),
            "workflow_name": execution.workflow_name,
            "instance_id": execution.instance_id,
            "status": execution.state.value,
            "amc_status": execution.amc_status,
            "amc_status_reason": execution.amc_status_reason,
            "amc_execution_id": execution.amc_execution_id,
            "amc_workflow_id": execution.amc_workflow_id,
            "priority": execution.priority,
            "time_window": {
                "type": execution.time_window_type,
                "start": execution.time_window_start,
                "end": execution.time_window_end,
                "time_zone": execution.time_zone,
            },
            "parameters": execution.parameters,
            "output_format": execution.output_format,
            "deadline_seconds": execution.deadline_seconds,
            "queue_timeout_seconds": execution.queue_timeout_seconds,
            "tags": execution.tags,
            "retry_of": execution.retry_of and show(EXECUTION_PREFIX, execution.retry_of),
            "requested_by": execution.owner,
            "request_id": execution.request_id,
            "row_count": execution.row_count,
            "size_bytes": execution.size_bytes,
            "output_location": execution.output_location,
            "error": _error(execution),
            "created_at": execution.created_at,
            "admitted_at": execution.admitted_at,
            "submitted_at": execution.submitted_at,
            "running_at": execution.running_at,
            "remote_finished_at": execution.remote_finished_at,
            "finished_at": execution.finished_at,
            "cancel_requested_at": execution.cancel_requested_at,
        }
    )


def show_execution(execution: Execution) -> ExecutionOut:
    """For whoever says it in other words."""
    return ExecutionOut.model_validate_json(execution_json(execution))


def detail_json(execution: Execution, waiting_for: str | None) -> bytes:
    """An `ExecutionDetail`: the execution with one member more."""
    return execution_json(execution)[:-1] + b',"waiting_for":' + to_json(waiting_for) + b"}"


def status_json(standing: Standing) -> bytes:
    """A `StatusOut`."""
    return to_json(
        {
            "id": show(EXECUTION_PREFIX, standing.id),
            "status": standing.state.value,
            "amc_status": standing.amc_status,
            "row_count": standing.row_count,
            "error": _error(standing),
            "finished_at": standing.finished_at,
        }
    )


def _error(failed: Execution | Standing) -> dict[str, str] | None:
    """An `ErrorOut`."""
    if failed.error_code is None:
        return None
    return {
        "code": failed.error_code,
        "message": failed.error_message or "",
        "hint": failed.error_hint or "",
    }


def show_entry(entry: TimelineEntry) -> TimelineEntryOut:
    return TimelineEntryOut(
        at=entry.at,
        kind=entry.kind,
        from_status=entry.from_state,
        to_status=entry.to_state,
        error_code=entry.error_code,
        detail=entry.detail,
    )


def waiting_word(obstacles: QueueObstacles) -> str:
    """The first obstacle, those first that a person must remove."""
    reasons = {
        "credential": obstacles.no_credential,
        "paused": obstacles.paused,
        "quota": obstacles.quota_used_up,
        "amc_limit": obstacles.amc_is_full,
        "account_limit": obstacles.account_is_full,
        "slots": obstacles.instance_is_full,
    }
    return next((word for word, holds in reasons.items() if holds), "admission")
