"""The poller's moves: hold an instance for one look, record what was seen, arm the next look."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

from shared.db.pool import Database
from shared.db.queries import load
from shared.db.rows import destination_of
from shared.domain.claims import Observation, PollClaim, RemoteWork
from shared.domain.errors import StaleTransition
from shared.domain.ids import AmcExecutionId, AmcWorkflowId, ExecutionId, InstanceKey

_SQL = load("polling")
_SEEN = tuple(field.name for field in fields(Observation))


@dataclass(frozen=True, slots=True)
class GivenUpAttempt:
    """A submission that was settled as never made; AMC may still surprise us with it."""

    execution_id: UUID
    attempt: int
    amc_workflow_id: str
    timeout_seconds: int


@dataclass(frozen=True, slots=True)
class Looks:
    """The repository of executions at AMC, by instance."""

    database: Database

    async def claim_for_poll(self, instance: InstanceKey, *, lease: timedelta) -> PollClaim:
        """Hold the instance for one look; StaleTransition while another look is under way."""
        row = await self.database.fetchrow(_SQL["claim_for_poll"], instance, lease)
        if row is None:
            raise StaleTransition(f"Instance {instance} is being looked at already.")
        work = await self.database.fetch(_SQL["work_at_amc"], instance)
        return PollClaim(
            destination=destination_of(row),
            fence=row["poll_fence"],
            now=row["now"],
            given_up_since=row["given_up_since"],
            work=tuple(
                RemoteWork(
                    execution_id=ExecutionId(each["id"]),
                    amc_execution_id=AmcExecutionId(each["amc_execution_id"]),
                    amc_workflow_id=AmcWorkflowId(each["amc_workflow_id"]),
                    state=each["state"],
                    created_at=each["amc_created_at"],
                    deadline_at=each["deadline_at"],
                    asked_at=each["asked_at"],
                    missing_count=each["missing_count"],
                    is_cancel_requested=each["is_cancel_requested"],
                    is_deadline_passed=each["is_deadline_passed"],
                    amc_status=each["amc_status"],
                    amc_status_reason=each["amc_status_reason"],
                )
                for each in work
            ),
        )

    async def observe(self, instance: InstanceKey, seen: Sequence[Observation]) -> int:
        """Apply what AMC says, hand freed slots on; how many were freed."""
        rows = [
            # Not `asdict`: it copies deeply, which took as long as reading AMC's answer.
            {name: getattr(each, name) for name in _SEEN} | {"execution_id": str(each.execution_id)}
            for each in seen
        ]
        return int(await self.database.fetchval(_SQL["observe"], instance, rows))

    async def mark_asked(self, execution_id: ExecutionId, *, is_missing: bool) -> None:
        """AMC was asked about it by id, and perhaps does not know it."""
        await self.database.execute(_SQL["mark_asked"], execution_id, is_missing)

    async def mark_deadline_passed(self, executions: Collection[ExecutionId]) -> None:
        """They took too long: AMC is asked to cancel them, and they end when it has."""
        await self.database.execute(_SQL["mark_deadline_passed"], list(executions))

    async def timer_due(self, instance: InstanceKey) -> datetime | None:
        """When the instance's timer is due now: `finish_look` disarms only this value."""
        due: datetime | None = await self.database.fetchval(_SQL["timer_due"], str(instance))
        return due

    async def finish_look(
        self, claim: PollClaim, *, next_look: timedelta | None, seen_due: datetime | None
    ) -> None:
        """Let the instance go; look again after `next_look`, or not at all if None."""
        await self.database.execute(
            _SQL["finish_look"], claim.destination.instance, claim.fence, next_look, seen_due
        )

    async def given_up_attempts(
        self, instance: InstanceKey, workflows: Collection[str]
    ) -> list[GivenUpAttempt]:
        """Attempts that AMC may have made after all, for these AMC workflow ids."""
        rows = await self.database.fetch(_SQL["given_up_attempts"], instance, list(workflows))
        return [GivenUpAttempt(**dict(row)) for row in rows]

    async def owned_among(
        self, instance: InstanceKey, amc_execution_ids: Collection[str]
    ) -> set[str]:
        """Those that a row of ours is bound to, whatever its state."""
        rows = await self.database.fetch(_SQL["owned_among"], instance, list(amc_execution_ids))
        return {row["amc_execution_id"] for row in rows}

    async def record_stray(
        self, instance: InstanceKey, amc_execution_id: str, attempt: GivenUpAttempt
    ) -> None:
        """An execution nobody owns, made by an attempt of ours: recorded, then cancelled."""
        await self.database.execute(
            _SQL["record_stray"], instance, amc_execution_id, attempt.execution_id, attempt.attempt
        )

    async def expected_seconds(self, instance: InstanceKey) -> float | None:
        """The median time of this instance's last runs at AMC, if there were any."""
        seconds = await self.database.fetchval(_SQL["expected_seconds"], instance)
        return None if seconds is None else float(seconds)
