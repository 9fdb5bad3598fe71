"""What a downloader does with a result, up to the last statement of its load."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

from shared.db.downloads import Downloads
from shared.db.pool import Database
from shared.db.queries import load
from shared.domain.claims import DownloadClaim
from shared.domain.errors import ResultGone, StaleTransition
from tests.integration.builders import HOUR
from tests.integration.db.states_model import STALE, Model, Move, State, answer, either, on

_RESULTS = load("results")


def claim_for_download(execution: UUID) -> Move:
    def is_free(model: Model) -> bool:
        found = model.executions[execution]
        return found.state == "downloading" and (not found.is_owned or found.is_expired)

    return Move(
        "claim_for_download",
        lambda db: answer(Downloads(db, lease=HOUR).claim_for_download(execution)),
        lambda model: [DownloadClaim if is_free(model) else STALE],
        on(execution, State.held),
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
        lambda db: answer(calls[what](Downloads(db, lease=HOUR))),
        lambda model: either(what == "give_back" or model.is_ours(claim, "downloading")),
        apply,
        claim,
    )
