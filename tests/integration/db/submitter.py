"""The submitter's moves, with honest defaults."""

from datetime import UTC, datetime, timedelta

from shared.db.pool import Database
from shared.db.submission import Submissions
from shared.domain.claims import SubmissionClaim
from shared.domain.ids import AmcExecutionId
from tests.integration.builders import (
    MINUTE,
    MadeInstance,
    MadeWorkflow,
    make_execution,
)

SETTLE = timedelta(seconds=120)


async def claim_one(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> SubmissionClaim:
    execution = await make_execution(database, instance, workflow, "submitting")
    return await Submissions(database).claim_for_submission(execution, lease=MINUTE)


async def intend(
    submissions: Submissions,
    claim: SubmissionClaim,
    *,
    settle_time: timedelta = SETTLE,
    lease: timedelta = MINUTE,
) -> int:
    return await submissions.record_intent(
        claim, timeout_seconds=22_000, settle_time=settle_time, lease=lease
    )


async def intended_one(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> SubmissionClaim:
    """Whose create call may have left."""
    claim = await claim_one(database, instance, workflow)
    await intend(Submissions(database), claim)
    return claim


async def bind(submissions: Submissions, claim: SubmissionClaim, name: str = "amc-1") -> None:
    await submissions.bind(
        claim,
        amc_execution_id=AmcExecutionId(name),
        amc_status="PENDING",
        created_at=datetime.now(UTC),
    )


async def postpone(submissions: Submissions, claim: SubmissionClaim) -> None:
    await submissions.postpone(claim, wait=timedelta(seconds=7), reason="no token")
