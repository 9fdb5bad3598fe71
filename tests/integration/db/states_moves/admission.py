"""Into the line, and out of it for the first time or again."""

from collections.abc import Callable, Collection, Sequence

from shared.db.acceptance import Acceptance, NewExecution, RememberedRequest
from shared.db.control import Control
from shared.db.pool import Database
from tests.integration.db.states_model import STALE, Model, Move, State, answer, either, nothing


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
        lambda db: answer(
            Acceptance(db).accept(
                requests, owner="anna", request_id="r", remember=remembered or None
            )
        ),
        lambda model: either(key not in model.keys),
        apply,
    )


def admit(instances: Collection[int]) -> Move:
    async def call(db: Database) -> object:
        await Acceptance(db).admit(instances)
        return None

    return Move("admit", call, lambda _: [None], nothing, admits=instances)


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
