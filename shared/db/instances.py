"""AMC instances by Amazon's id: their limits, and what is going on at them now."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from shared.db.acceptance import RememberedRequest
from shared.db.conflicts import AlreadyExists
from shared.db.idempotency import remember
from shared.db.pool import Database
from shared.db.queries import load
from shared.domain.errors import NotFound
from shared.domain.ids import AccountKey, InstanceKey

_SQL = load("instances")


@dataclass(frozen=True, slots=True)
class NewInstance:
    """An instance to be stored."""

    amc_instance_id: str
    account: AccountKey
    name: str
    region: str
    instance_type: str
    max_concurrent_executions: int
    max_requests_per_second: int
    daily_execution_quota: int | None
    quota_time_zone: str


@dataclass(frozen=True, slots=True)
class Instance:
    """A stored instance; `key` never leaves the system."""

    key: InstanceKey
    amc_instance_id: str
    account_id: UUID
    name: str
    region: str
    instance_type: str
    max_concurrent_executions: int
    max_requests_per_second: int
    daily_execution_quota: int | None
    quota_time_zone: str
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """What acceptance needs to know."""

    key: InstanceKey
    account: AccountKey


@dataclass(frozen=True, slots=True)
class LimitsNow:
    """Limits beside what is used of them at this moment."""

    in_use: int
    queued: int
    account_max_concurrent_executions: int
    account_in_use: int
    requests_paused_until: datetime | None
    admission_paused_until: datetime | None
    admitted_today: int
    credential_status: str | None


@dataclass(frozen=True, slots=True)
class QueuedExecution:
    """One place in an instance's line."""

    id: UUID
    workflow_id: UUID
    owner: str
    priority: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Instances:
    """The repository of instances."""

    database: Database

    async def create(
        self, new: NewInstance, answer: Callable[[Instance], RememberedRequest | None]
    ) -> Instance:
        """Store it with its gate and rate budget; AlreadyExists for a second one."""
        async with self.database.transaction() as connection:
            row = await connection.fetchrow(
                _SQL["create_instance"],
                new.amc_instance_id,
                new.account,
                new.name,
                new.region,
                new.instance_type,
                new.max_concurrent_executions,
                new.max_requests_per_second,
                new.daily_execution_quota,
                new.quota_time_zone,
            )
            if row is None:
                raise AlreadyExists(f"Instance {new.amc_instance_id!r} exists already.")
            instance = Instance(**dict(row))
            await remember(connection, answer(instance))
        return instance

    async def get(self, amc_instance_id: str) -> Instance:
        """NotFound if there is none."""
        row = await self.database.fetchrow(_SQL["get_instance"], amc_instance_id)
        return Instance(**dict(_existing(row, amc_instance_id)))

    async def page(
        self, *, account: UUID | None = None, after: int = 0, limit: int
    ) -> list[Instance]:
        """The oldest first, of one account or of all."""
        rows = await self.database.fetch(_SQL["page_of_instances"], after, account, limit)
        return [Instance(**dict(row)) for row in rows]

    async def update(
        self, amc_instance_id: str, *, name: str | None, quota_time_zone: str | None
    ) -> Instance:
        """Change what is not None. Limits are changed by `Control`, which also admits."""
        row = await self.database.fetchrow(
            _SQL["update_instance"], amc_instance_id, name, quota_time_zone
        )
        return Instance(**dict(_existing(row, amc_instance_id)))

    async def limits_now(self, instance: InstanceKey) -> LimitsNow:
        """Counted at this moment."""
        row = await self.database.fetchrow(_SQL["limits_now"], instance)
        return LimitsNow(**dict(_existing(row, str(instance))))

    async def queue(self, instance: InstanceKey, *, limit: int) -> list[QueuedExecution]:
        """The next ones, in the order in which they will be admitted."""
        rows = await self.database.fetch(_SQL["queue"], instance, limit)
        return [QueuedExecution(**dict(row)) for row in rows]

    async def references(self, amc_instance_ids: Collection[str]) -> Mapping[str, InstanceRef]:
        """Those that exist, by Amazon's id."""
        rows = await self.database.fetch(_SQL["references"], list(amc_instance_ids))
        return {
            row["amc_instance_id"]: InstanceRef(
                InstanceKey(row["id"]), AccountKey(row["account_id"])
            )
            for row in rows
        }


def _existing(row: Record | None, amc_instance_id: str) -> Record:
    if row is None:
        raise NotFound(
            f"There is no instance {amc_instance_id[:80]!r}.",
            hint="Instances go by Amazon's id, such as amcabc123.",
        )
    return row
