"""Every move of an execution: the call on the real repositories, and what the model makes of it."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.db.acceptance import Acceptance, NewExecution, RememberedRequest
from shared.db.control import Control
from shared.db.dead_letters import DeadLetters
from shared.db.downloads import Downloads
from shared.db.polling import Looks
from shared.db.pool import Database
from shared.db.queries import load
from shared.db.submission import Submissions
from shared.domain.claims import (
    DoubtClaim,
    DownloadClaim,
    Observation,
    PollClaim,
    SubmissionClaim,
)
from shared.domain.errors import QueryRejected, ResultGone, StaleTransition
from shared.domain.ids import AmcExecutionId, ExecutionId, InstanceKey
from tests.integration.db.states_model import AT_AMC, BUSY, STALE, Model, Move, State

HOUR = timedelta(hours=1)
_RESULTS = load("results")


def _nothing(_model: Model, _outcome: object) -> None:
    """A move that changes nothing the model knows."""


async def _answer(call: Awaitable[object]) -> object:
    """The answer, or that somebody else was first."""
    try:
        return await call
    except StaleTransition:
        return STALE


def _either(holds: bool, outcome: object = None) -> list[object]:
    return [outcome if holds else STALE]


def _on(execution: UUID, change: Callable[[State], State]) -> Callable[[Model, object], None]:
    def apply(model: Model, outcome: object) -> None:
        if outcome not in (STALE, False):
            model.executions[execution] = change(model.executions[execution])

    return apply


# --- acceptance and admission -----------------------------------------------------------------


def accept(requests: Sequence[NewExecution], key: str | None, stamp: Callable[[], int]) -> Move:
    remembered = key and RememberedRequest("anna", "model", key, b"", {})

    def apply(model: Model, outcome: object) -> None:
        if outcome == STALE:
            return
        for request in requests:
            model.executions[request.id] = State(request.instance_id)
            model.hints[request.instance_id] = stamp()
        if key is not None:
            model.keys.add(key)

    return Move(
        "accept",
        lambda db: _answer(
            Acceptance(db).accept(
                requests, owner="anna", request_id="r", remember=remembered or None
            )
        ),
        lambda model: _either(key not in model.keys),
        apply,
    )


def admit(instances: Collection[int]) -> Move:
    async def call(db: Database) -> object:
        await Acceptance(db).admit(instances)
        return None

    return Move("admit", call, lambda _: [None], _nothing, admits=instances)


def rescue() -> Move:
    async def call(db: Database) -> object:
        await Control(db).rescue()
        return None

    def apply(model: Model, _outcome: object) -> None:
        for execution, found in model.executions.items():
            if (
                found.state in {"submitting", "downloading"}
                and found.is_expired
                and not found.has_intent
            ):
                model.executions[execution] = found.waiting()

    return Move("rescue", call, lambda _: [None], apply, is_exact=False)


# --- submission -------------------------------------------------------------------------------


def claim_for_submission(execution: UUID) -> Move:
    def is_free(model: Model) -> bool:
        found = model.executions[execution]
        is_waiting = found.state == "submitting" and not found.has_intent
        return is_waiting and (not found.is_owned or found.is_expired)

    return Move(
        "claim_for_submission",
        lambda db: _answer(Submissions(db).claim_for_submission(execution, lease=HOUR)),
        lambda model: [SubmissionClaim if is_free(model) else STALE],
        _on(execution, State.held),
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
        lambda db: _answer(
            Submissions(db).record_intent(claim, timeout_seconds=3601, settle_time=HOUR, lease=HOUR)
        ),
        lambda model: [int if may(model) else STALE],
        _on(claim.execution_id, change),
        claim,
    )


def bind(claim: SubmissionClaim | DoubtClaim, amc_execution_id: str) -> Move:
    instance = claim.destination.instance

    def may(model: Model) -> bool:
        is_unowned = model.owner_of(instance, amc_execution_id) is None
        return model.is_ours(claim, "submitting") and is_unowned

    return Move(
        "bind",
        lambda db: _answer(
            Submissions(db).bind(
                claim,
                amc_execution_id=AmcExecutionId(amc_execution_id),
                amc_status="PENDING",
                created_at=datetime.now(UTC),
            )
        ),
        lambda model: _either(may(model)),
        _on(
            claim.execution_id,
            lambda found: found.freed("pending", amc_execution_id=amc_execution_id),
        ),
        claim,
    )


def end_submission(claim: SubmissionClaim, state: str) -> Move:
    async def call(db: Database) -> object:
        submissions = Submissions(db)
        if state == "failed":
            return await _answer(submissions.mark_failed(claim, QueryRejected("no such table")))
        return await _answer(submissions.mark_cancelled(claim))

    return Move(
        f"mark_{state}",
        call,
        lambda model: _either(model.is_ours(claim, "submitting")),
        _on(claim.execution_id, lambda found: found.freed(state)),
        claim,
    )


def cancel_if_requested(claim: SubmissionClaim) -> Move:
    def may(model: Model) -> bool:
        found = model.executions[claim.execution_id]
        return model.is_ours(claim, "submitting") and not found.has_intent and found.is_cancel_asked

    return Move(
        "cancel_if_requested",
        lambda db: _answer(Submissions(db).cancel_if_requested(claim)),
        lambda model: [may(model)],
        _on(claim.execution_id, lambda found: found.freed("cancelled")),
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
        lambda db: _answer(
            Submissions(db).requeue(claim, reason="AMC is full", pause=HOUR if pauses else None)
        ),
        lambda model: _either(model.is_ours(claim, "submitting")),
        apply,
        claim,
    )


def postpone(claim: SubmissionClaim) -> Move:
    return Move(
        "postpone",
        lambda db: _answer(Submissions(db).postpone(claim, wait=HOUR, reason="later")),
        lambda model: _either(model.is_ours(claim, "submitting")),
        _on(
            claim.execution_id,
            lambda found: replace(found.waiting(), has_intent=False, is_settled=False),
        ),
        claim,
    )


# --- doubt ------------------------------------------------------------------------------------


def claim_for_reconciliation(execution: UUID) -> Move:
    def is_due(model: Model) -> bool:
        found = model.executions[execution]
        is_doubt = found.state == "submitting" and found.has_intent
        return is_doubt and found.is_settled and found.is_expired

    return Move(
        "claim_for_reconciliation",
        lambda db: _answer(Submissions(db).claim_for_reconciliation(execution, lease=HOUR)),
        lambda model: [DoubtClaim if is_due(model) else STALE],
        _on(execution, State.held),
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
        lambda db: _answer(
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
        lambda db: _answer(Submissions(db).give_up_attempt(claim)),
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
        lambda db: _answer(Submissions(db).postpone_reconciliation(claim, wait=HOUR)),
        lambda _: [None],
        apply,
        claim,
    )


# --- looks ------------------------------------------------------------------------------------


def observe(instance: int, seen: Sequence[tuple[UUID, str]]) -> Move:
    async def call(db: Database) -> object:
        told = [
            Observation(
                ExecutionId(execution),
                state,
                state.upper(),
                error_code="query_failed" if state == "failed" else None,
            )
            for execution, state in seen
        ]
        await Looks(db).observe(InstanceKey(instance), told)
        return None

    def apply(model: Model, _outcome: object) -> None:
        for execution, state in seen:
            found = model.executions[execution]
            if found.state not in AT_AMC or found.instance != instance:
                continue
            if state == "cancelled" and not found.is_cancel_asked:
                state = "failed"  # noqa: PLW2901 - somebody else has cancelled it
            next_state = found.state if state == "pending" else state
            model.executions[execution] = found.freed(
                next_state, has_lease=next_state == "downloading"
            )

    return Move("observe", call, lambda _: [None], apply)


def begin_look(instance: int) -> Move:
    return Move(
        "claim_for_poll",
        lambda db: _answer(Looks(db).claim_for_poll(InstanceKey(instance), lease=HOUR)),
        lambda _: [PollClaim, STALE],
        _nothing,
    )


def finish_look(claim: PollClaim, seen_due: datetime | None, *, is_last: bool) -> Move:
    return Move(
        "finish_look",
        lambda db: _answer(
            Looks(db).finish_look(claim, next_look=None if is_last else HOUR, seen_due=seen_due)
        ),
        lambda _: [None],
        _nothing,
        claim,
    )


def deadline_passed(execution: UUID) -> Move:
    return Move(
        "mark_deadline_passed",
        lambda db: _answer(Looks(db).mark_deadline_passed([ExecutionId(execution)])),
        lambda _: [None],
        _nothing,
    )


# --- downloads --------------------------------------------------------------------------------


def claim_for_download(execution: UUID) -> Move:
    def is_free(model: Model) -> bool:
        found = model.executions[execution]
        return found.state == "downloading" and (not found.is_owned or found.is_expired)

    return Move(
        "claim_for_download",
        lambda db: _answer(Downloads(db, lease=HOUR).claim_for_download(execution)),
        lambda model: [DownloadClaim if is_free(model) else STALE],
        _on(execution, State.held),
    )


async def _complete(db: Database, claim: DownloadClaim) -> None:
    """The last statement of a load of one part; what it wrote goes if the claim is lost."""
    one, digest = [1], [b"0" * 32]
    async with db.transaction() as connection:
        version = await connection.fetchval(
            "select id from result_versions where workflow_id = $1", claim.workflow_id
        )
        done = await connection.fetchval(
            _RESULTS["complete"],
            claim.execution_id,
            claim.fence,
            *(one, one, digest, one),
            *(claim.no, version, "t", one, False, 1, 1, None),
        )
        if done is None:
            raise StaleTransition("The claim is lost.")


def work_on_download(claim: DownloadClaim, what: str) -> Move:
    calls: dict[str, Callable[[Downloads], Awaitable[object]]] = {
        "renew": lambda downloads: downloads.renew(claim),
        "postpone": lambda downloads: downloads.postpone(claim, wait=HOUR, reason="later"),
        "fail": lambda downloads: downloads.mark_failed(claim, ResultGone("gone")),
        "complete": lambda downloads: _complete(downloads.database, claim),
        "give_back": lambda downloads: downloads.give_back(claim),
    }
    changes: dict[str, Callable[[State], State]] = {
        "renew": lambda found: replace(found, is_expired=False),
        "postpone": State.waiting,
        "fail": lambda found: found.freed("failed"),
        "complete": lambda found: found.freed("completed"),
        "give_back": State.waiting,
    }

    def apply(model: Model, outcome: object) -> None:
        if outcome != STALE and model.is_ours(claim, "downloading"):
            found = model.executions[claim.execution_id]
            model.executions[claim.execution_id] = changes[what](found)

    return Move(
        f"download {what}",
        lambda db: _answer(calls[what](Downloads(db, lease=HOUR))),
        lambda model: _either(what == "give_back" or model.is_ours(claim, "downloading")),
        apply,
        claim,
    )


# --- people, and the dead-letter book ----------------------------------------------------------


def cancel(execution: UUID) -> Move:
    def next_state(model: Model) -> str:
        found = model.executions[execution]
        is_unsent = found.state == "submitting" and not (found.is_owned or found.has_intent)
        return "cancelled" if found.state == "queued" or is_unsent else found.state

    def apply(model: Model, outcome: object) -> None:
        found = model.executions[execution]
        if found.state in BUSY | {"queued"}:
            asked = replace(found, is_cancel_asked=True)
            model.executions[execution] = (
                asked.freed("cancelled") if outcome == "cancelled" else asked
            )

    return Move(
        "request_cancel",
        lambda db: _answer(Control(db).request_cancel(execution, by="anna")),
        lambda model: [next_state(model)],
        apply,
        subject=execution,
    )


def expire(execution: UUID) -> Move:
    return Move(
        "expire_queued",
        lambda db: _answer(Control(db).expire_queued(execution)),
        lambda model: [model.executions[execution].state == "queued"],
        _on(execution, lambda found: found.freed("failed")),
        subject=execution,
    )


def fail_parked(execution: UUID) -> Move:
    def may(model: Model) -> bool:
        found = model.executions[execution]
        is_unsent = found.state == "submitting" and not found.has_intent
        return is_unsent or found.state == "downloading"

    return Move(
        "fail_parked",
        lambda db: _answer(DeadLetters(db).fail_parked(execution, reason="bad")),
        lambda model: [may(model)],
        _on(execution, lambda found: replace(found.freed("failed"), fence=found.fence + 1)),
        subject=execution,
    )


def pause(instance: int) -> Move:
    return Move(
        "pause_instance",
        lambda db: _answer(Control(db).pause_instance(instance, by="anna", reason="")),
        lambda _: [None],
        lambda model, _: model.paused.add(instance),
    )


def resume(instance: int) -> Move:
    return Move(
        "resume_instance",
        lambda db: _answer(Control(db).resume_instance(instance)),
        lambda _: [None],
        lambda model, _: model.paused.discard(instance),
        admits=[instance],
    )


def limit_instance(instance: int, limit: int) -> Move:
    return Move(
        "change_instance_limits",
        lambda db: _answer(
            Control(db).change_instance_limits(instance, max_concurrent_executions=limit)
        ),
        lambda _: [None],
        _nothing,
        admits=[instance],
        changes_limits=True,
    )


def limit_account(account: int, instances: Collection[int], limit: int) -> Move:
    return Move(
        "change_account_limit",
        lambda db: _answer(Control(db).change_account_limit(account, limit)),
        lambda _: [None],
        _nothing,
        admits=instances,
        changes_limits=True,
    )
