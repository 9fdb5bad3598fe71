"""AMC's words about one execution in ours: the only translation of a status into a move."""

from datetime import datetime, timedelta
from typing import Final

from shared.amc.models import RemoteExecution
from shared.domain.claims import Observation, RemoteWork
from shared.domain.errors import QueryRejected, RemoteFailed, RemoteNotFound
from shared.domain.remote import RemoteStatus, state_of
from shared.domain.states import ExecutionState

# A new execution may be missing from AMC's stores for a while.
_YOUNG: Final = timedelta(minutes=5)


def observation_of(work: RemoteWork, remote: RemoteExecution) -> Observation:
    """What to record; whose cancellation a CANCELLED was is decided by the database."""
    state = state_of(remote.status)
    error: RemoteFailed | QueryRejected | None = None
    if state is ExecutionState.FAILED:
        error = _error(remote)
    return Observation(
        execution_id=work.execution_id,
        state=state,
        amc_status=remote.status,
        amc_status_reason=remote.status_reason,
        output_location=remote.output_location,
        output_columns=tuple(remote.output_columns) or None,
        error_code=None if error is None else error.code,
        error_message=None if error is None else error.message,
        error_hint=None if error is None else error.hint,
    )


def is_news(work: RemoteWork, seen: Observation) -> bool:
    """Whether recording it would change anything: most looks find most executions as they were."""
    known = (work.amc_status, work.amc_status_reason, None, None)
    said = (seen.amc_status, seen.amc_status_reason, seen.output_location, seen.output_columns)
    # PENDING moves nothing: a list may lag behind.
    return (
        said != known
        or seen.state not in {ExecutionState.PENDING, work.state}
        or work.missing_count > 0
    )


def observation_of_missing(
    work: RemoteWork, error: RemoteNotFound, now: datetime
) -> Observation | None:
    """The end of an execution that AMC denies twice, five minutes after its creation."""
    if is_young(work, now) or work.missing_count < 1:
        return None
    return Observation(
        execution_id=work.execution_id,
        state=ExecutionState.FAILED,
        amc_status="UNKNOWN",
        error_code=error.code,
        error_message=f"AMC no longer knows the execution: {error.message}",
        error_hint="Retry the execution; somebody may have deleted it at AMC.",
    )


def is_young(work: RemoteWork, now: datetime) -> bool:
    """Too young for a denial by AMC to mean anything."""
    return now - work.created_at < _YOUNG


def is_overdue(work: RemoteWork, now: datetime) -> bool:
    """Its deadline has passed and AMC has not been asked to cancel it for that."""
    return work.deadline_at <= now and not work.is_deadline_passed


def _error(remote: RemoteExecution) -> RemoteFailed | QueryRejected:
    reason = remote.status_reason or "AMC gave no reason."
    if remote.status.upper() == RemoteStatus.REJECTED:
        return QueryRejected(f"AMC rejected the execution: {reason}")
    return RemoteFailed(f"AMC reports {remote.status}: {reason}")
