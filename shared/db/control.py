"""Moves that people make: cancel, pause, resume, other limits; and the rescuer's look."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from shared.db.pool import Database
from shared.db.queries import load
from shared.domain.errors import NotFound
from shared.domain.states import ExecutionState

_SQL = load("control")


@dataclass(frozen=True, slots=True)
class Control:
    """The repository of interventions. Everything that may free or add slots admits."""

    database: Database

    async def request_cancel(self, execution_id: UUID, *, by: str) -> ExecutionState:
        """The state it is in now: `cancelled` if nothing had been sent yet; a state at AMC if
        AMC is being asked; a later one if it was too late. NotFound if there is none."""
        state = await self.database.fetchval(_SQL["request_cancel"], execution_id, by)
        if state is None:
            raise NotFound(f"There is no execution {execution_id}.")
        return ExecutionState(state)

    async def expire_queued(self, execution_id: UUID) -> bool:
        """Its queue timeout is over; False if it is no longer queued."""
        return bool(await self.database.fetchval(_SQL["expire_queued"], execution_id))

    async def pause_instance(self, instance: int, *, by: str, reason: str) -> None:
        """Admit nothing more here; what is at AMC goes on."""
        await self.database.execute(_SQL["pause"], instance, by, reason)

    async def resume_instance(self, instance: int) -> None:
        """Admit again, at once."""
        await self.database.execute(_SQL["resume"], instance)
        await self.admit([instance])

    async def change_instance_limits(
        self,
        instance: int,
        *,
        max_concurrent_executions: int | None = None,
        max_requests_per_second: int | None = None,
        daily_execution_quota: int | None = None,
        is_quota_given: bool = False,
    ) -> None:
        """None leaves a limit as it is; the quota is changed (None: none) if `is_quota_given`.

        A limit below what runs is not a breach: nothing is admitted until it holds again.
        """
        async with self.database.transaction() as connection:
            await connection.execute(
                _SQL["change_limits"],
                instance,
                max_concurrent_executions,
                max_requests_per_second,
                daily_execution_quota,
                is_quota_given,
            )
            await connection.execute(_SQL["change_step"], instance)
        await self.admit([instance])

    async def change_account_limit(self, account: int, max_concurrent_executions: int) -> None:
        """Over all instances of the account."""
        instances = await self.database.fetchval(
            _SQL["change_account_limit"], account, max_concurrent_executions
        )
        await self.admit(instances or [])

    async def admit(self, instances: Collection[int]) -> int:
        """Move as many queued executions on as there are free slots; how many moved."""
        return int(await self.database.fetchval(_SQL["admit"], list(instances)))

    async def rescue(self, *, limit: int = 200) -> dict[str, int]:
        """Bring back what was abandoned; what was done, by kind, zeros left out."""
        rows = await self.database.fetch(_SQL["rescue"], limit)
        return {row["what"]: row["n"] for row in rows if row["n"]}
