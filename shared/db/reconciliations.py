"""What AMC has and no row of ours knows: runs of the comparison, and what became of each finding.

The API asks and decides, a worker compares; neither waits for the other. Whatever becomes ours is
taken over in one call under the account's gate, so that no slot is counted twice.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from asyncpg import Record

from shared.db.pool import Database
from shared.db.queries import load
from shared.db.rows import destination_of
from shared.domain.claims import Destination
from shared.domain.errors import AmcflowError, ConflictError, NotFound, StaleTransition
from shared.domain.ids import new_uuid

_SQL = load("reconciliations")


class NotAdoptable(ConflictError):
    """This execution at AMC cannot become one of ours now."""

    code = "not_adoptable"


class NotCancellable(ConflictError):
    """This execution at AMC is not ours to cancel now."""

    code = "not_cancellable"


@dataclass(frozen=True, slots=True)
class ComparisonClaim:
    """A run of the comparison, held by one worker until its lease runs out."""

    id: UUID
    fence: int
    since: datetime
    age: timedelta
    """Since it was asked for."""
    destination: Destination


@dataclass(frozen=True, slots=True)
class Listed:
    """One execution as AMC lists it."""

    amc_execution_id: str
    amc_workflow_id: str
    amc_status: str
    created_at: str | None
    timeout_seconds: int | None
    time_window_start: str | None
    time_window_end: str | None
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One run for one instance (Amazon's id): `waiting`, `running`, `done` or `failed`."""

    id: UUID
    instance_id: str
    since: datetime
    requested_by: str
    requested_at: datetime
    status: str
    is_complete: bool | None
    listed_count: int | None
    error_code: str | None
    error_message: str | None
    finished_at: datetime | None
    in_doubt: int
    stray: int
    foreign_count: int


@dataclass(frozen=True, slots=True)
class Finding:
    """An execution at AMC that no row owned; `kind` and `decision` as in the schema's comments.
    `workflow_id` is set where its workflow is one of ours."""

    id: int
    amc_execution_id: str
    amc_workflow_id: str
    workflow_id: UUID | None
    amc_status: str
    created_at: datetime | None
    timeout_seconds: int | None
    kind: str
    execution_id: UUID | None
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    adopted_as: UUID | None


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The repository as the worker sees it."""

    database: Database

    async def claim(self, reconciliation: UUID, *, lease: timedelta) -> ComparisonClaim:
        """Hold a run; StaleTransition if another worker has it, or it has ended."""
        row = await self.database.fetchrow(_SQL["claim"], reconciliation, lease)
        if row is None:
            raise StaleTransition(f"Reconciliation {reconciliation} is not to be done now.")
        return ComparisonClaim(
            id=reconciliation,
            fence=row["fence"],
            since=row["since"],
            age=row["age"],
            destination=destination_of(row),
        )

    async def finish(
        self, claim: ComparisonClaim, listed: Sequence[Listed], *, is_complete: bool
    ) -> None:
        """Keep what no row owns; StaleTransition if the claim is lost."""
        rows = [asdict(each) for each in listed]
        if not await self.database.fetchval(
            _SQL["finish"], claim.id, claim.fence, rows, is_complete
        ):
            raise StaleTransition(f"Reconciliation {claim.id} is ours no more.")

    async def postpone(
        self, claim: ComparisonClaim, error: AmcflowError, *, wait: timedelta
    ) -> None:
        """AMC could not be asked; a timer brings the run back."""
        await self.database.execute(
            _SQL["postpone"], claim.id, claim.fence, wait, error.code, error.message
        )

    async def fail(self, claim: ComparisonClaim, error: AmcflowError) -> None:
        """AMC will not answer this."""
        await self.database.execute(_SQL["fail"], claim.id, claim.fence, error.code, error.message)


@dataclass(frozen=True, slots=True)
class Reconciliations:
    """The repository as people see it."""

    database: Database

    async def ask(
        self, instances: Collection[int] | None, *, since: datetime, by: str
    ) -> list[Reconciliation]:
        """One run for each of these instances (row numbers), or for all. A worker carries it out;
        where the account has no login it has failed already."""
        if instances is None:
            rows = await self.database.fetch(_SQL["instance_keys"])
            instances = [row["id"] for row in rows]
        ids = [new_uuid() for _ in instances]
        await self.database.execute(_SQL["ask"], ids, list(instances), since, by)
        made = await self.database.fetch(_SQL["reconciliations_by_id"], ids)
        return [Reconciliation(**dict(row)) for row in made]

    async def get(self, reconciliation: UUID) -> Reconciliation:
        """NotFound if there is none."""
        rows = await self.database.fetch(_SQL["reconciliations_by_id"], [reconciliation])
        if not rows:
            raise NotFound(f"There is no reconciliation {reconciliation}.")
        return Reconciliation(**dict(rows[0]))

    async def page(
        self, *, instance_id: str | None, before: UUID, limit: int
    ) -> list[Reconciliation]:
        """The newest first."""
        rows = await self.database.fetch(
            _SQL["page_of_reconciliations"], before, limit, instance_id
        )
        return [Reconciliation(**dict(row)) for row in rows]

    async def findings(
        self, reconciliation: UUID, *, kind: str | None, after: int, limit: int
    ) -> list[Finding]:
        """In the order in which AMC made them."""
        rows = await self.database.fetch(
            _SQL["page_of_findings"], reconciliation, after, limit, kind
        )
        return [Finding(**dict(row)) for row in rows]

    async def finding(self, reconciliation: UUID, amc_execution_id: str) -> Finding:
        """NotFound if the run has found no such thing."""
        row = await self.database.fetchrow(_SQL["finding"], reconciliation, amc_execution_id)
        return Finding(**dict(_existing(row, amc_execution_id)))

    async def adopt(
        self, reconciliation: UUID, amc_execution_id: str, *, by: str, request_id: str
    ) -> None:
        """Make it an execution of ours, or have the open doubt that it may belong to settled.

        NotFound, or NotAdoptable with what to do instead.
        """
        outcome = await self.database.fetchval(
            _SQL["adopt"], reconciliation, amc_execution_id, by, request_id, new_uuid()
        )
        if outcome == "cancelling":
            raise NotAdoptable(
                f"AMC's execution {amc_execution_id[:80]} is a stray being cancelled."
            )
        self._judge(outcome, amc_execution_id, NotAdoptable)

    async def cancel(self, reconciliation: UUID, amc_execution_id: str, *, by: str) -> None:
        """Have AMC cancel it; only what carries our mark. NotFound or NotCancellable."""
        outcome = await self.database.fetchval(_SQL["cancel"], reconciliation, amc_execution_id, by)
        self._judge(outcome, amc_execution_id, NotCancellable)

    @staticmethod
    def _judge(
        outcome: str | None,
        amc_execution_id: str,
        refusal: type[NotAdoptable] | type[NotCancellable],
    ) -> None:
        if outcome is None:
            raise _absent(amc_execution_id)
        if outcome in _REFUSED:
            problem, hint = _REFUSED[outcome]
            raise refusal(f"AMC's execution {amc_execution_id[:80]} {problem}.", hint=hint)


_REFUSED: Final = {
    "owned": ("belongs to an execution of ours by now", "Nothing is left to do."),
    "no_result": ("has ended without a result", "There is nothing to adopt; run it again."),
    "no_slot": (
        "would be one more than the limit of its instance or account",
        "Wait until something has ended there, or raise the limit, and try again.",
    ),
    "unknown_workflow": (
        "runs a workflow that is not saved here",
        "It stays its owner's. Save the SQL as a workflow and run that instead.",
    ),
    "not_ours": (
        "does not carry our mark",
        "It is somebody else's: adopt it first, or cancel it in AMC's console.",
    ),
    "in_doubt": (
        "may be what a create of ours has made",
        "Wait for the settle time; it is settled without you.",
    ),
}


def _existing(row: Record | None, amc_execution_id: str) -> Record:
    if row is None:
        raise _absent(amc_execution_id)
    return row


def _absent(amc_execution_id: str) -> NotFound:
    return NotFound(f"The reconciliation has not found {amc_execution_id[:80]!r} at AMC.")
