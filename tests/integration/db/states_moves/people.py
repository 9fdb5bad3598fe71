"""What comes from outside: people, the clock of the queue, the dead-letter book."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from shared.db.control import Control
from shared.db.dead_letters import DeadLetters
from tests.integration.db.states_model import BUSY, Model, Move, answer, nothing, on


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
        lambda db: answer(Control(db).request_cancel(execution, by="anna")),
        lambda model: [next_state(model)],
        apply,
        subject=execution,
    )


def expire(execution: UUID) -> Move:
    return Move(
        "expire_queued",
        lambda db: answer(Control(db).expire_queued(execution)),
        lambda model: [model.executions[execution].state == "queued"],
        on(execution, lambda found: found.freed("failed")),
        subject=execution,
    )


def fail_parked(execution: UUID) -> Move:
    def may(model: Model) -> bool:
        found = model.executions[execution]
        is_unsent = found.state == "submitting" and not found.has_intent
        return is_unsent or found.state == "downloading"

    return Move(
        "fail_parked",
        lambda db: answer(DeadLetters(db).fail_parked(execution, reason="bad")),
        lambda model: [may(model)],
        on(execution, lambda found: replace(found.freed("failed"), fence=found.fence + 1)),
        subject=execution,
    )


def pause(instance: int) -> Move:
    return Move(
        "pause_instance",
        lambda db: answer(Control(db).pause_instance(instance, by="anna", reason="")),
        lambda _: [None],
        lambda model, _: model.paused.add(instance),
    )


def resume(instance: int) -> Move:
    return Move(
        "resume_instance",
        lambda db: answer(Control(db).resume_instance(instance)),
        lambda _: [None],
        lambda model, _: model.paused.discard(instance),
        admits=[instance],
    )


def limit_instance(instance: int, limit: int) -> Move:
    return Move(
        "change_instance_limits",
        lambda db: answer(
            Control(db).change_instance_limits(instance, max_concurrent_executions=limit)
        ),
        lambda _: [None],
        nothing,
        admits=[instance],
        changes_limits=True,
    )


def limit_account(account: int, instances: Collection[int], limit: int) -> Move:
    return Move(
        "change_account_limit",
        lambda db: answer(Control(db).change_account_limit(account, limit)),
        lambda _: [None],
        nothing,
        admits=instances,
        changes_limits=True,
    )
