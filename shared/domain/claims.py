"""What a worker holds while it works on something: immutable, fenced, with all it needs.

A claim is made by one compare-and-set in the database; every later write carries its fence, so
that a worker which was given up for dead finds its writes refused.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.ids import (
    AmcExecutionId,
    AmcInstanceId,
    AmcWorkflowId,
    CredentialId,
    EntityId,
    ExecutionId,
    InstanceKey,
    MarketplaceId,
)


@dataclass(frozen=True, slots=True)
class Login:
    """An Amazon login as stored: its access token is still encrypted, and may be missing."""

    credential_id: CredentialId
    ciphertext: bytes | None
    key_id: str | None
    expires_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class Destination:
    """Where at AMC, and as whom."""

    instance: InstanceKey
    amc_instance_id: AmcInstanceId
    entity_id: EntityId
    marketplace_id: MarketplaceId
    region: str
    login: Login


@dataclass(frozen=True, slots=True)
class DeclaredParameter:
    """A parameter of a workflow, as declared to AMC."""

    name: str
    data_type: str
    default_value: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class RequestedRun:
    """What AMC is asked to run: it is also the fingerprint by which the answer is found again."""

    amc_workflow_id: AmcWorkflowId
    time_window_type: str
    time_window_start: datetime | None
    time_window_end: datetime | None
    time_zone: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class SubmissionClaim:
    """An execution in `submitting`, held by one worker until its lease runs out."""

    execution_id: ExecutionId
    fence: int
    attempt: int
    postponed_count: int
    destination: Destination
    run: RequestedRun
    sql_query: str
    declared: tuple[DeclaredParameter, ...]
    deadline_seconds: int
    is_workflow_known: bool
    is_cancel_requested: bool
    is_held: bool
    """The instance is paused or its login is broken: nothing may be sent now."""


@dataclass(frozen=True, slots=True)
class DoubtClaim:
    """An execution whose create call may or may not have reached AMC, past its settle time."""

    execution_id: ExecutionId
    fence: int
    attempt: int
    destination: Destination
    run: RequestedRun
    timeout_seconds: int
    intent_at: datetime


@dataclass(frozen=True, slots=True)
class RemoteWork:
    """One of our executions at AMC, as the poller wants to see it."""

    execution_id: ExecutionId
    amc_execution_id: AmcExecutionId
    amc_workflow_id: AmcWorkflowId
    state: str
    created_at: datetime
    deadline_at: datetime
    asked_at: datetime | None
    missing_count: int
    is_cancel_requested: bool
    is_deadline_passed: bool
    amc_status: str | None = None
    """AMC's word when it last said anything new, and its reason."""
    amc_status_reason: str | None = None


@dataclass(frozen=True, slots=True)
class PollClaim:
    """One instance with everything of ours that runs there, held for one look."""

    destination: Destination
    fence: int
    now: datetime
    work: tuple[RemoteWork, ...]
    given_up_since: datetime | None = None
    """The oldest attempt of the last two hours that was settled as never made: AMC may still
    surprise us with it, so looks go on and reach back to it."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What AMC said about one execution, translated into our words."""

    execution_id: ExecutionId
    state: str
    amc_status: str
    amc_status_reason: str | None = None
    output_location: str | None = None
    output_columns: tuple[tuple[str, str | None], ...] | None = None
    """Names and types of the result, where AMC's answer told them."""
    error_code: str | None = None
    error_message: str | None = None
    error_hint: str | None = None


@dataclass(frozen=True, slots=True)
class CancelWork:
    """An execution at AMC that is to be cancelled there."""

    execution_id: ExecutionId
    amc_execution_id: AmcExecutionId
    destination: Destination


@dataclass(frozen=True, slots=True)
class DownloadClaim:
    """An execution whose result is to be fetched, held until its lease runs out."""

    execution_id: ExecutionId
    no: int
    workflow_id: UUID
    workflow_no: int
    workflow_name: str
    fence: int
    postponed_count: int
    amc_execution_id: AmcExecutionId
    output_location: str | None
    destination: Destination
    output_columns: tuple[tuple[str, str | None], ...] | None = None
    """None: the poller's look did not tell them, so AMC must be asked."""


@dataclass(frozen=True, slots=True)
class RefreshClaim:
    """A credential whose tokens one worker may renew until its lease runs out."""

    credential_id: CredentialId
    region: str
    ciphertext: bytes
    key_id: str
    version: int
    lease_until: datetime
    """With the version it names this claim: no two have the same."""
