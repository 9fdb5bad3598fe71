"""Credentials as people manage them: sealed tokens go in, none ever comes out.

Storing a token and asking token_refresher to use it is one transaction: a stored credential is
always on its way to `active` or `broken`.
"""

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
from shared.db.workflows import BEFORE_ALL
from shared.domain.errors import NotFound
from shared.domain.ids import CREDENTIAL_PREFIX, show

_SQL = load("credentials_admin")


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential to be stored, its refresh token sealed already."""

    id: UUID
    name: str
    region: str
    ciphertext: bytes
    key_id: str
    created_by: str


@dataclass(frozen=True, slots=True)
class Credential:
    """What may be seen of a credential."""

    id: UUID
    name: str
    region: str
    status: str
    broken_reason: str | None
    access_token_expires_at: datetime | None
    refreshed_at: datetime | None
    refresh_count: int
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CredentialsAdmin:
    """The repository of credentials, as far as people may touch them."""

    database: Database

    async def create(
        self, new: NewCredential, answer: Callable[[Credential], RememberedRequest | None]
    ) -> Credential:
        """Store it and ask for its first refresh; AlreadyExists for a second one of this name."""
        async with self.database.transaction() as connection:
            row = await connection.fetchrow(
                _SQL["create_credential"],
                new.id,
                new.name,
                new.region,
                new.ciphertext,
                new.key_id,
                new.created_by,
            )
            if row is None:
                raise AlreadyExists(f"There is a credential named {new.name!r} already.")
            credential = Credential(**dict(row))
            await remember(connection, answer(credential))
        return credential

    async def get(self, credential_id: UUID) -> Credential:
        """NotFound if there is none."""
        row = await self.database.fetchrow(_SQL["get_credential"], credential_id)
        return Credential(**dict(_existing(row, credential_id)))

    async def page(self, *, after: UUID = BEFORE_ALL, limit: int) -> list[Credential]:
        """The newest first."""
        rows = await self.database.fetch(_SQL["page_of_credentials"], after, limit)
        return [Credential(**dict(row)) for row in rows]

    async def replace_refresh_token(
        self, credential_id: UUID, *, ciphertext: bytes, key_id: str
    ) -> Credential:
        """Somebody authorised again: the credential is new once more, and refreshed at once.

        A refresh that is under way with the old token finds another version and gives up. The
        present access token stays in use until the next one is there.
        """
        row = await self.database.fetchrow(
            _SQL["replace_refresh_token"], credential_id, ciphertext, key_id
        )
        return Credential(**dict(_existing(row, credential_id)))


def _existing(row: Record | None, credential_id: UUID) -> Record:
    if row is None:
        raise NotFound(f"There is no credential {show(CREDENTIAL_PREFIX, credential_id)}.")
    return row
