"""Executions written as JSON are what their models would have written, byte by byte."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.api.schemas.executions import (
    AcceptedOut,
    ErrorOut,
    ExecutionDetail,
    ExecutionOut,
    StatusOut,
    TimeWindowOut,
    accepted_json,
    detail_json,
    execution_json,
    status_json,
)
from shared.db.executions_read import Execution, Standing
from shared.domain.ids import EXECUTION_PREFIX, WORKFLOW_PREFIX, show
from shared.domain.states import ExecutionState
from shared.intake.models import AcceptedItem

AT = datetime(2026, 1, 31, 10, 0, 0, 120_000, tzinfo=UTC)
PLAIN = Execution(
    id=UUID("01900000-0000-7000-8000-000000000001"),
    workflow_id=UUID("01900000-0000-7000-8000-000000000002"),
    workflow_name="w",
    instance_id="amcone",
    state=ExecutionState.QUEUED,
    amc_status=None,
    amc_status_reason=None,
    amc_execution_id=None,
    amc_workflow_id="amcflow-1",
    priority=5,
    time_window_type="ALL",
    time_window_start=None,
    time_window_end=None,
    time_zone="UTC",
    parameters={},
    output_format="CSV",
    deadline_seconds=21_600,
    queue_timeout_seconds=None,
    tags={},
    retry_of=None,
    owner="tester",
    request_id="r",
    row_count=None,
    size_bytes=None,
    output_location=None,
    error_code=None,
    error_message=None,
    error_hint=None,
    created_at=AT,
    admitted_at=None,
    submitted_at=None,
    running_at=None,
    remote_finished_at=None,
    finished_at=None,
    cancel_requested_at=None,
)
WORDS = [
    "",
    'a "quoted" \\ word',
    "two\nlines\ttab\r",
    "\x01\x1f\x7f\x80\u2028\u2029",
    "ブランド é 🙂",
    "</script>",
]
MOMENTS = [
    datetime(2026, 1, 31, tzinfo=UTC),
    datetime(2026, 1, 31, 10, 0, 0, 1, tzinfo=UTC),
    datetime(2026, 1, 31, 10, 0, 0, 500_000, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]
EVERYTHING = replace(
    PLAIN,
    state=ExecutionState.FAILED,
    amc_status="FAILED",
    amc_status_reason="because",
    amc_execution_id="x-1",
    time_window_type="EXPLICIT",
    time_window_start=AT.replace(tzinfo=None),
    time_window_end=AT.replace(tzinfo=None, microsecond=0),
    parameters={"z": "1", "a": "ü", "": ""},
    queue_timeout_seconds=30,
    tags={"team": "search"},
    retry_of=PLAIN.workflow_id,
    row_count=0,
    size_bytes=2**62,
    output_location="s3://bucket/key",
    error_code="query_rejected",
    admitted_at=AT,
    submitted_at=AT,
    running_at=AT,
    remote_finished_at=AT,
    finished_at=AT,
    cancel_requested_at=AT,
)
_TEXTS = ("workflow_name", "instance_id", "amc_status", "amc_status_reason", "owner", "request_id")
_MOMENTS = ("created_at", "finished_at", "time_window_start", "cancel_requested_at")
ODD = [
    PLAIN,
    EVERYTHING,
    replace(EVERYTHING, error_message="m", error_hint="h"),
    *(replace(PLAIN, **dict.fromkeys(_TEXTS, word)) for word in WORDS),
    *(replace(PLAIN, parameters={word: word}, tags={word: word}) for word in WORDS),
    *(replace(EVERYTHING, error_message=word, error_hint=word) for word in WORDS),
    *(replace(PLAIN, **dict.fromkeys(_MOMENTS, moment)) for moment in MOMENTS),
    *(replace(PLAIN, state=state) for state in ExecutionState),
]


def modelled(execution: Execution) -> ExecutionOut:
    same = set(ExecutionOut.model_fields) & {field.name for field in fields(Execution)}
    plain = {name: getattr(execution, name) for name in same}
    return ExecutionOut(
        **{
            **plain,
            "id": show(EXECUTION_PREFIX, execution.id),
            "workflow_id": show(WORKFLOW_PREFIX, execution.workflow_id),
            "retry_of": execution.retry_of and show(EXECUTION_PREFIX, execution.retry_of),
            "status": execution.state.value,
            "requested_by": execution.owner,
            "error": modelled_error(execution),
            "time_window": TimeWindowOut(
                type=execution.time_window_type,
                start=execution.time_window_start,
                end=execution.time_window_end,
                time_zone=execution.time_zone,
            ),
        }
    )


def modelled_error(failed: Execution) -> ErrorOut | None:
    if failed.error_code is None:
        return None
    return ErrorOut(
        code=failed.error_code, message=failed.error_message or "", hint=failed.error_hint or ""
    )


@pytest.mark.parametrize("execution", ODD)
def test_an_execution_is_written_as_its_model_writes_it(execution: Execution) -> None:
    assert execution_json(execution) == modelled(execution).model_dump_json().encode()


@pytest.mark.parametrize("word", [None, "slots", "admission"])
def test_the_detail_is_written_as_its_model_writes_it(word: str | None) -> None:
    whole = ExecutionDetail(**modelled(EVERYTHING).model_dump(), waiting_for=word)

    assert detail_json(EVERYTHING, word) == whole.model_dump_json().encode()


@pytest.mark.parametrize("execution", ODD)
def test_the_status_is_written_as_its_model_writes_it(execution: Execution) -> None:
    standing = Standing(
        **{field.name: getattr(execution, field.name) for field in fields(Standing)}
    )

    assert (
        status_json(standing)
        == StatusOut(
            id=show(EXECUTION_PREFIX, execution.id),
            status=execution.state.value,
            amc_status=execution.amc_status,
            row_count=execution.row_count,
            error=modelled_error(execution),
            finished_at=execution.finished_at,
        )
        .model_dump_json()
        .encode()
    )


def test_an_acceptance_is_written_as_its_model_would_be():
    item = AcceptedItem(index=0, id="ex_01900000000070008000000000000001", status="queued")

    assert (
        accepted_json(item)
        == AcceptedOut(id=item.id, status=item.status).model_dump_json().encode()
    )
