"""What a poller sees of an instance, and when it looks again."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.db.polling import Looks
from shared.db.pool import Database
from shared.domain.claims import Observation, PollClaim
from shared.domain.ids import ExecutionId, InstanceKey
from tests.integration.builders import HOUR
from tests.integration.db.states_model import AT_AMC, STALE, Model, Move, answer, nothing


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
        lambda db: answer(Looks(db).claim_for_poll(InstanceKey(instance), lease=HOUR)),
        lambda _: [PollClaim, STALE],
        nothing,
    )


def finish_look(claim: PollClaim, seen_due: datetime | None, *, is_last: bool) -> Move:
    return Move(
        "finish_look",
        lambda db: answer(
            Looks(db).finish_look(claim, next_look=None if is_last else HOUR, seen_due=seen_due)
        ),
        lambda _: [None],
        nothing,
        claim,
    )


def deadline_passed(execution: UUID) -> Move:
    return Move(
        "mark_deadline_passed",
        lambda db: answer(Looks(db).mark_deadline_passed([ExecutionId(execution)])),
        lambda _: [None],
        nothing,
    )
