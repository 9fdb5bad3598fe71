"""Advertiser accounts: whose entity and marketplace go into AMC's headers, and their own limit."""

from collections.abc import Callable
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
from shared.domain.ids import ACCOUNT_PREFIX, AccountKey, InstanceKey, show

_SQL = load("accounts")


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be stored."""

    public_id: UUID
    entity_id: str
    marketplace_id: str
    name: str
    credential_id: UUID | None
    max_concurrent_executions: int


@dataclass(frozen=True, slots=True)
class Account:
    """A stored account; `key` never leaves the system."""

    key: AccountKey
    public_id: UUID
    entity_id: str
    marketplace_id: str
    name: str
    credential_id: UUID | None
    max_concurrent_executions: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Accounts:
    """The repository of accounts."""

    database: Database

    async def create(
        self, new: NewAccount, answer: Callable[[Account], RememberedRequest | None]
    ) -> Account:
        """Store it with its gate; AlreadyExists for a second one with this entity and market."""
        async with self.database.transaction() as connection:
            row = await connection.fetchrow(
                _SQL["create_account"],
                new.public_id,
                new.entity_id,
                new.marketplace_id,
                new.name,
                new.credential_id,
                new.max_concurrent_executions,
            )
            if row is None:
                raise AlreadyExists(
                    f"Entity {new.entity_id!r} with marketplace {new.marketplace_id!r} has an"
                    " account already."
                )
            account = Account(**dict(row))
            await remember(connection, answer(account))
        return account

    async def get(self, public_id: UUID) -> Account:
        """NotFound if there is none."""
        row = await self.database.fetchrow(_SQL["get_account"], public_id)
        return Account(**dict(_existing(row, public_id)))

    async def page(self, *, after: int = 0, limit: int) -> list[Account]:
        """The oldest first."""
        rows = await self.database.fetch(_SQL["page_of_accounts"], after, limit)
        return [Account(**dict(row)) for row in rows]

    async def update(
        self, public_id: UUID, *, name: str | None, credential_id: UUID | None
    ) -> Account:
        """Change what is not None. The limit is changed by `Control`, which also admits."""
        row = await self.database.fetchrow(_SQL["update_account"], public_id, name, credential_id)
        return Account(**dict(_existing(row, public_id)))

    async def instances_of(self, account: AccountKey) -> list[InstanceKey]:
        """Their row numbers, for admission after a change of the credential."""
        rows = await self.database.fetch(_SQL["instances_of_account"], account)
        return [InstanceKey(row["id"]) for row in rows]


def _existing(row: Record | None, public_id: UUID) -> Record:
    if row is None:
        raise NotFound(f"There is no account {show(ACCOUNT_PREFIX, public_id)}.")
    return row
