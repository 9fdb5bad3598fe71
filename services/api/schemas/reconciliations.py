"""Comparisons of AMC's executions with our rows, as they come in and go out."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from services.api.schemas.accounts import AmazonId
from services.api.schemas.executions import ErrorOut
from shared.db.reconciliations import Finding, Reconciliation
from shared.domain.clock import utc_now
from shared.domain.ids import EXECUTION_PREFIX, RECONCILIATION_PREFIX, WORKFLOW_PREFIX, show
from shared.intake.models import Strict

_LONGEST: Final = timedelta(days=90)
_USUAL: Final = timedelta(days=1)


def _recent(moment: datetime) -> datetime:
    now = utc_now()
    if not now - _LONGEST <= moment <= now:
        raise ValueError(f"must be in the past, at most {_LONGEST.days} days ago")
    return moment


class ReconciliationIn(Strict):
    """Which instance, none given: all; and since when its executions were made at AMC."""

    instance_id: AmazonId | None = None
    since: Annotated[AwareDatetime, AfterValidator(_recent)] = Field(
        default_factory=lambda: utc_now() - _USUAL
    )


class FoundOut(BaseModel):
    """How many of each kind no row of ours owns."""

    in_doubt: int
    stray: int
    foreign: int


class ReconciliationOut(BaseModel):
    """One comparison: `waiting`, `running`, `done` or `failed`. The error of one that waits is
    what its last try ran into."""

    id: str
    instance_id: str
    since: datetime
    status: str
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    listed: int | None
    is_complete: bool | None
    found: FoundOut
    error: ErrorOut | None


class ReconciliationsOut(BaseModel):
    """What was asked for, one for each instance."""

    items: list[ReconciliationOut]


class FindingOut(BaseModel):
    """An execution at AMC that no row owned.

    `in_doubt`: an open create of ours may have made it. `stray`: it carries the mark of an attempt
    of ours. `foreign`: nothing says that it is ours; `workflow_id` if its workflow is.
    """

    amc_execution_id: str
    kind: str
    amc_status: str
    amc_workflow_id: str
    workflow_id: str | None
    created_at: datetime | None
    attempt_of: str | None
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    adopted_as: str | None


def show_reconciliation(run: Reconciliation) -> ReconciliationOut:
    error = None
    if run.error_code is not None:
        error = ErrorOut(code=run.error_code, message=run.error_message or "", hint="")
    return ReconciliationOut(
        id=show(RECONCILIATION_PREFIX, run.id),
        instance_id=run.instance_id,
        since=run.since,
        status=run.status,
        requested_by=run.requested_by,
        requested_at=run.requested_at,
        finished_at=run.finished_at,
        listed=run.listed_count,
        is_complete=run.is_complete,
        found=FoundOut(in_doubt=run.in_doubt, stray=run.stray, foreign=run.foreign_count),
        error=error,
    )


def show_finding(finding: Finding) -> FindingOut:
    return FindingOut(
        amc_execution_id=finding.amc_execution_id,
        kind=finding.kind,
        amc_status=finding.amc_status,
        amc_workflow_id=finding.amc_workflow_id,
        workflow_id=finding.workflow_id and show(WORKFLOW_PREFIX, finding.workflow_id),
        created_at=finding.created_at,
        attempt_of=finding.execution_id and show(EXECUTION_PREFIX, finding.execution_id),
        decision=finding.decision,
        decided_by=finding.decided_by,
        decided_at=finding.decided_at,
        adopted_as=finding.adopted_as and show(EXECUTION_PREFIX, finding.adopted_as),
    )
