"""What a reconciler does with an execution in doubt."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from shared.db.submission import Submissions
from shared.domain.claims import DoubtClaim
from shared.domain.ids import AmcExecutionId
from tests.integration.builders import HOUR
from tests.integration.db.states_model import STALE, Model, Move, State, answer, on


def claim_for_reconciliation(execution: UUID) -> Move:
    def is_due(model: Model) -> bool:
        found = model.executions[execution]
        is_doubt = found.state == "submitting" and found.has_intent
        return is_doubt and found.is_settled and found.is_expired

    return Move(
        "claim_for_reconciliation",
        lambda db: answer(Submissions(db).claim_for_reconciliation(execution, lease=HOUR)),
        lambda model: [DoubtClaim if is_due(model) else STALE],
        on(execution, State.held),
    )


def adopt(claim: DoubtClaim, candidates: Sequence[str]) -> Move:
    instance = claim.destination.instance

    def allowed(model: Model) -> list[object]:
        unowned = [each for each in candidates if model.owner_of(instance, each) is None]
        if not unowned:
            # The last candidate may have found its owner between the look and the bind.
            return [None, STALE]
        if not model.is_ours(claim, "submitting"):
            return [STALE]
        return [unowned[0], STALE] if len(unowned) < len(candidates) else [unowned[0]]

    def apply(model: Model, outcome: object) -> None:
        if outcome not in (STALE, None):
            found = model.executions[claim.execution_id]
            model.executions[claim.execution_id] = found.freed(
                "pending", amc_execution_id=str(outcome)
            )

    found_at_amc = [(AmcExecutionId(each), "RUNNING", datetime.now(UTC)) for each in candidates]
    return Move(
        "adopt_oldest_unowned",
        lambda db: answer(
            Submissions(db).adopt_oldest_unowned(claim, found_at_amc, fingerprint="equal")
        ),
        allowed,
        apply,
        claim,
    )


def give_up(claim: DoubtClaim) -> Move:
    def allowed(model: Model) -> list[object]:
        found = model.executions[claim.execution_id]
        if not (model.is_ours(claim, "submitting") and found.has_intent):
            return [STALE]
        return ["cancelled" if found.is_cancel_asked else "resubmitted"]

    def apply(model: Model, outcome: object) -> None:
        found = model.executions[claim.execution_id]
        if outcome == "cancelled":
            model.executions[claim.execution_id] = found.freed("cancelled")
        elif outcome == "resubmitted":
            again = replace(found.waiting(), has_intent=False, is_settled=False)
            model.executions[claim.execution_id] = again

    return Move(
        "give_up_attempt",
        lambda db: answer(Submissions(db).give_up_attempt(claim)),
        allowed,
        apply,
        claim,
    )


def leave_in_doubt(claim: DoubtClaim) -> Move:
    def apply(model: Model, _outcome: object) -> None:
        found = model.executions[claim.execution_id]
        if model.is_ours(claim, "submitting") and found.has_intent:
            model.executions[claim.execution_id] = found.waiting(is_expired=True)

    return Move(
        "postpone_reconciliation",
        lambda db: answer(Submissions(db).postpone_reconciliation(claim, wait=HOUR)),
        lambda _: [None],
        apply,
        claim,
    )
