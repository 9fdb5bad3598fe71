"""What a submitter does with an execution it has claimed."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from shared.db.pool import Database
from shared.db.submission import Submissions
from shared.domain.claims import DoubtClaim, SubmissionClaim
from shared.domain.errors import QueryRejected
from shared.domain.ids import AmcExecutionId
from tests.integration.builders import HOUR
from tests.integration.db.states_model import STALE, Model, Move, State, answer, either, on


def claim_for_submission(execution: UUID) -> Move:
    def is_free(model: Model) -> bool:
        found = model.executions[execution]
        is_waiting = found.state == "submitting" and not found.has_intent
        return is_waiting and (not found.is_owned or found.is_expired)

    return Move(
        "claim_for_submission",
        lambda db: answer(Submissions(db).claim_for_submission(execution, lease=HOUR)),
        lambda model: [SubmissionClaim if is_free(model) else STALE],
        on(execution, State.held),
        subject=execution,
    )


def record_intent(claim: SubmissionClaim) -> Move:
    def may(model: Model) -> bool:
        found = model.executions[claim.execution_id]
        is_free = not (found.has_intent or found.is_cancel_asked or found.is_expired)
        return model.is_ours(claim, "submitting") and is_free

    def change(found: State) -> State:
        return replace(found, has_intent=True, is_settled=False, is_expired=False)

    return Move(
        "record_intent",
        lambda db: answer(
            Submissions(db).record_intent(claim, timeout_seconds=3601, settle_time=HOUR, lease=HOUR)
        ),
        lambda model: [int if may(model) else STALE],
        on(claim.execution_id, change),
        claim,
    )


def bind(claim: SubmissionClaim | DoubtClaim, amc_execution_id: str) -> Move:
    instance = claim.destination.instance

    def may(model: Model) -> bool:
        is_unowned = model.owner_of(instance, amc_execution_id) is None
        return model.is_ours(claim, "submitting") and is_unowned

    return Move(
        "bind",
        lambda db: answer(
            Submissions(db).bind(
                claim,
                amc_execution_id=AmcExecutionId(amc_execution_id),
                amc_status="PENDING",
                created_at=datetime.now(UTC),
            )
        ),
        lambda model: either(may(model)),
        on(
            claim.execution_id,
            lambda found: found.freed("pending", amc_execution_id=amc_execution_id),
        ),
        claim,
    )


def end_submission(claim: SubmissionClaim, state: str) -> Move:
    async def call(db: Database) -> object:
        submissions = Submissions(db)
        if state == "failed":
            return await answer(submissions.mark_failed(claim, QueryRejected("no such table")))
        return await answer(submissions.mark_cancelled(claim))

    return Move(
        f"mark_{state}",
        call,
        lambda model: either(model.is_ours(claim, "submitting")),
        on(claim.execution_id, lambda found: found.freed(state)),
        claim,
    )


def cancel_if_requested(claim: SubmissionClaim) -> Move:
    def may(model: Model) -> bool:
        found = model.executions[claim.execution_id]
        return model.is_ours(claim, "submitting") and not found.has_intent and found.is_cancel_asked

    return Move(
        "cancel_if_requested",
        lambda db: answer(Submissions(db).cancel_if_requested(claim)),
        lambda model: [may(model)],
        on(claim.execution_id, lambda found: found.freed("cancelled")),
        claim,
    )


def requeue(claim: SubmissionClaim, *, pauses: bool) -> Move:
    def apply(model: Model, outcome: object) -> None:
        if outcome == STALE:
            return
        found = model.executions[claim.execution_id]
        model.executions[claim.execution_id] = found.freed("queued")
        if pauses:
            model.full.add(found.instance)

    return Move(
        "requeue",
        lambda db: answer(
            Submissions(db).requeue(claim, reason="AMC is full", pause=HOUR if pauses else None)
        ),
        lambda model: either(model.is_ours(claim, "submitting")),
        apply,
        claim,
    )


def postpone(claim: SubmissionClaim) -> Move:
    return Move(
        "postpone",
        lambda db: answer(Submissions(db).postpone(claim, wait=HOUR, reason="later")),
        lambda model: either(model.is_ours(claim, "submitting")),
        on(
            claim.execution_id,
            lambda found: replace(found.waiting(), has_intent=False, is_settled=False),
        ),
        claim,
    )
