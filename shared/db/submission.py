"""The submitter's moves: claim, intent, bind, and every way in which a submission can end.

Each is one round trip and one compare-and-set on (state, fence); a refused one raises
`StaleTransition`, because somebody else has gone on with the execution.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from asyncpg import Record

from shared.db.pool import Connection, Database
from shared.db.queries import load
from shared.db.rows import declared_of, destination_of, run_of
from shared.domain.claims import CancelWork, Destination, DoubtClaim, SubmissionClaim
from shared.domain.errors import AmcflowError, StaleTransition
from shared.domain.ids import AmcExecutionId, AmcWorkflowId, ExecutionId, InstanceKey
from shared.domain.pacing import YOUNG
from shared.observability.stop_points import StopPoint, reach

_SQL = load("submission")

FoundT = TypeVar("FoundT")


def _nobody() -> None:
    """Nobody waits for what was written."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What AMC answered to a create."""

    claim: SubmissionClaim | DoubtClaim
    amc_execution_id: AmcExecutionId
    amc_status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Submissions:
    """The repository of executions in `submitting`."""

    database: Database
    first_look: timedelta = timedelta(seconds=2)
    """How long after a bind the poller looks for the first time, unless it looks soon anyway."""
    on_written: Callable[[], None] = _nobody
    """Called when a move may have left commands in the outbox; most leave none."""

    async def claim_for_submission(
        self, execution_id: UUID, *, lease: timedelta
    ) -> SubmissionClaim:
        """Hold it for `lease`; StaleTransition if it is not waiting to be submitted by us."""
        return _first(await self.claim_all([execution_id], lease=lease))

    async def claim_all(
        self, execution_ids: Sequence[UUID], *, lease: timedelta
    ) -> list[SubmissionClaim | StaleTransition]:
        """The same for several in one commit; of one that is asked for twice, the first is it."""
        rows = await self.database.fetch(
            _SQL["claim_for_submission"], execution_ids, self.database.relay_id, lease
        )
        claims = {claim.execution_id: claim for claim in map(_claim_of, rows)}
        found: list[SubmissionClaim | StaleTransition] = []
        for each in execution_ids:
            claim = claims.pop(ExecutionId(each), None)
            refused = StaleTransition(f"Execution {each} is not to be submitted now.")
            found.append(refused if claim is None else claim)
        return found

    async def is_workflow_known(self, instance: InstanceKey, workflow: AmcWorkflowId) -> bool:
        """Whether the definition exists at AMC on this instance, as far as we know."""
        return bool(await self.database.fetchval(_SQL["is_workflow_known"], instance, workflow))

    async def remember_workflow(self, instance: InstanceKey, workflow: AmcWorkflowId) -> None:
        """The definition exists at AMC on this instance."""
        await self.database.execute(_SQL["remember_workflow"], instance, workflow)

    async def forget_workflow(self, instance: InstanceKey, workflow: AmcWorkflowId) -> None:
        """AMC says that it does not exist there after all."""
        await self.database.execute(_SQL["forget_workflow"], instance, workflow)

    async def record_intent(
        self,
        claim: SubmissionClaim,
        *,
        timeout_seconds: int,
        settle_time: timedelta,
        lease: timedelta,
    ) -> int:
        """Commit that the create call is about to leave; its attempt number.

        StaleTransition if the claim is lost or a cancellation came first: nothing may be sent.
        """
        return _first(
            await self.record_intents(
                [(claim, timeout_seconds)], settle_time=settle_time, lease=lease
            )
        )

    async def record_intents(
        self,
        intents: Sequence[tuple[SubmissionClaim, int]],
        *,
        settle_time: timedelta,
        lease: timedelta,
    ) -> list[int | StaleTransition]:
        """The same for several in one commit: claims, each with its timeout in seconds."""
        rows = await self.database.fetch(
            _SQL["record_intent"],
            [claim.execution_id for claim, _ in intents],
            [claim.fence for claim, _ in intents],
            [timeout_seconds for _, timeout_seconds in intents],
            settle_time,
            lease,
        )
        attempts: dict[UUID, int] = {row["id"]: row["attempt"] for row in rows}
        return [
            attempts.get(claim.execution_id)
            or StaleTransition(f"Execution {claim.execution_id} may not be sent any more.")
            for claim, _ in intents
        ]

    async def bind(
        self,
        claim: SubmissionClaim | DoubtClaim,
        *,
        amc_execution_id: AmcExecutionId,
        amc_status: str,
        created_at: datetime,
    ) -> None:
        """It runs at AMC under this id. StaleTransition if the id has another owner."""
        binding = Binding(claim, amc_execution_id, amc_status, created_at)
        if (refused := (await self.bind_all([binding]))[0]) is not None:
            raise refused

    async def bind_all(self, bindings: Sequence[Binding]) -> list[StaleTransition | None]:
        """The same for several in one commit; if an id has another owner, for none of them."""
        async with self.database.connection() as connection:
            rows = await self._bind(connection, bindings)
        if any(row["is_cancel_requested"] for row in rows):
            self.on_written()
        bound = {row["id"] for row in rows}
        return [
            None
            if each.claim.execution_id in bound
            else StaleTransition(f"Execution {each.claim.execution_id} is ours no more (bind).")
            for each in bindings
        ]

    async def mark_failed(
        self, claim: SubmissionClaim, error: AmcflowError, *, outcome: str = "refused"
    ) -> None:
        """A definite refusal; the slot goes to the next one."""
        await self._move(
            "end_submission", claim, "failed", outcome, error.code, error.message, error.hint
        )

    async def mark_cancelled(self, claim: SubmissionClaim) -> None:
        """Its user cancelled it before anything was sent; the slot goes to the next one."""
        await self._move("end_submission", claim, "cancelled", "not_sent", None, None, None)

    async def cancel_if_requested(self, claim: SubmissionClaim) -> bool:
        """Whether a cancellation was what refused the intent; if so, it is carried out here."""
        is_cancelled = bool(
            await self.database.fetchval(
                _SQL["cancel_if_requested"], claim.execution_id, claim.fence
            )
        )
        if is_cancelled:
            self.on_written()
        return is_cancelled

    async def requeue(
        self,
        claim: SubmissionClaim,
        *,
        reason: str,
        pause: timedelta | None = None,
        outcome: str = "not_sent",
    ) -> None:
        """Back in line at its old place; `pause` holds the whole instance for that long."""
        await self._move("requeue", claim, outcome, pause, reason)

    async def postpone(
        self, claim: SubmissionClaim, *, wait: timedelta, reason: str, outcome: str = "not_sent"
    ) -> None:
        """Definitely not at AMC; a timer brings the command back after `wait`."""
        await self._move("postpone", claim, wait, outcome, reason)

    async def claim_for_reconciliation(self, execution_id: UUID, *, lease: timedelta) -> DoubtClaim:
        """Hold a doubt whose settle time is over; StaleTransition if there is none."""
        row = await self.database.fetchrow(
            _SQL["claim_for_reconciliation"], execution_id, self.database.relay_id, lease
        )
        if row is None:
            raise StaleTransition(f"Execution {execution_id} is not in doubt, or not yet settled.")
        return DoubtClaim(
            execution_id=ExecutionId(row["id"]),
            fence=row["fence"],
            attempt=row["attempt"],
            destination=destination_of(row),
            run=run_of(row),
            timeout_seconds=row["amc_timeout_seconds"],
            intent_at=row["intent_at"],
        )

    async def adopt_oldest_unowned(
        self,
        claim: DoubtClaim,
        candidates: Collection[tuple[AmcExecutionId, str, datetime]],
        *,
        fingerprint: str,
    ) -> AmcExecutionId | None:
        """Bind the first candidate (id, status, created at; oldest first) that no row owns."""
        ids = [candidate[0] for candidate in candidates]
        async with self.database.transaction() as connection:
            await connection.execute(_SQL["lock_fingerprint"], fingerprint)
            rows = await connection.fetch(_SQL["owned_among"], claim.destination.instance, ids)
            owned = {row["amc_execution_id"] for row in rows}
            for amc_execution_id, status, created_at in candidates:
                if amc_execution_id in owned:
                    continue
                binding = Binding(claim, amc_execution_id, status, created_at)
                bound = await self._bind(connection, [binding])
                if not bound:
                    raise StaleTransition(f"Execution {claim.execution_id} is ours no more.")
                reach(StopPoint.RECONCILE_BEFORE_COMMIT)
                return amc_execution_id
        return None

    async def give_up_attempt(self, claim: DoubtClaim) -> str:
        """AMC has nothing of this attempt: submit again, or cancel if that was asked for."""
        outcome = str(
            await self.database.fetchval(_SQL["give_up_attempt"], claim.execution_id, claim.fence)
        )
        if outcome == "stale":
            raise StaleTransition(f"Execution {claim.execution_id} is ours no more.")
        return outcome

    async def postpone_reconciliation(self, claim: DoubtClaim, *, wait: timedelta) -> None:
        """AMC could not be asked; the doubt stays as it is until `wait` is over."""
        await self.database.execute(
            _SQL["postpone_reconciliation"], claim.execution_id, claim.fence, wait
        )

    async def _bind(self, connection: Connection, bindings: Sequence[Binding]) -> list[Record]:
        return await connection.fetch(
            _SQL["bind_all"],
            [each.claim.execution_id for each in bindings],
            [each.claim.fence for each in bindings],
            [each.amc_execution_id for each in bindings],
            [each.amc_status for each in bindings],
            [each.created_at for each in bindings],
            self.first_look,
            self.first_look * YOUNG,
        )

    async def _move(self, query: str, claim: SubmissionClaim | DoubtClaim, *arguments: Any) -> None:
        done = await self.database.fetchval(
            _SQL[query], claim.execution_id, claim.fence, *arguments
        )
        if not done:
            raise StaleTransition(f"Execution {claim.execution_id} is ours no more ({query}).")
        self.on_written()


def _claim_of(row: Record) -> SubmissionClaim:
    return SubmissionClaim(
        execution_id=ExecutionId(row["id"]),
        fence=row["fence"],
        attempt=row["attempt"],
        postponed_count=row["postponed_count"],
        destination=destination_of(row),
        run=run_of(row),
        sql_query=row["sql_query"],
        declared=declared_of(row["declared"]),
        deadline_seconds=row["deadline_seconds"],
        is_workflow_known=row["is_workflow_known"],
        is_cancel_requested=row["is_cancel_requested"],
        is_held=row["is_held"],
    )


def _first(found: Sequence[FoundT | StaleTransition]) -> FoundT:
    if isinstance(found[0], StaleTransition):
        raise found[0]
    return found[0]


@dataclass(frozen=True, slots=True)
class Cancellations:
    """The repository of what is to be cancelled at AMC."""

    database: Database

    async def work_of(self, execution_id: UUID) -> CancelWork:
        """What to cancel; StaleTransition if AMC has nothing of it, or nobody asked."""
        row = await self.database.fetchrow(_SQL["cancel_work"], execution_id)
        if row is None:
            raise StaleTransition(f"Execution {execution_id} is not to be cancelled at AMC.")
        return CancelWork(
            execution_id=ExecutionId(row["id"]),
            amc_execution_id=AmcExecutionId(row["amc_execution_id"]),
            destination=destination_of(row),
        )

    async def destination(self, instance: InstanceKey) -> Destination:
        """How to reach an instance; StaleTransition if it is gone."""
        row = await self.database.fetchrow(_SQL["destination"], instance)
        if row is None:
            raise StaleTransition(f"Instance {instance} is gone.")
        return destination_of(row)

    async def look_soon(self, instance: InstanceKey) -> None:
        """AMC's answer to a cancellation is worth a look now."""
        await self.database.execute(
            _SQL["arm_timer"],
            "poll_instance",
            str(instance),
            timedelta(milliseconds=200),
            {"instance_id": instance},
        )

    async def try_again(self, execution_id: UUID, *, wait: timedelta) -> None:
        """A timer brings the cancellation back."""
        await self.database.execute(
            _SQL["set_timer"],
            "cancel_execution",
            str(execution_id),
            wait,
            {"execution_id": str(execution_id)},
        )

    async def done(self, execution_id: UUID) -> None:
        """No more tries are needed."""
        await self.database.execute(_SQL["disarm_timer"], "cancel_execution", str(execution_id))

    async def stray_cancelled(self, instance: InstanceKey, stray: AmcExecutionId) -> None:
        """A stray execution was cancelled at AMC."""
        await self.database.execute(_SQL["stray_cancelled"], instance, stray)
