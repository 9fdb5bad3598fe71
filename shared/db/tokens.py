"""Tokens as stored: read by all who call AMC, renewed by token_refresher alone."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from shared.db.pool import Database
from shared.db.queries import load
from shared.domain.claims import Login, RefreshClaim
from shared.domain.errors import StaleTransition
from shared.domain.ids import CredentialId

_SQL = load("tokens")


@dataclass(frozen=True, slots=True)
class Logins:
    """The repository of access tokens, still encrypted."""

    database: Database

    async def login(self, credential_id: CredentialId) -> Login:
        """The newest tokens; StaleTransition if the credential is gone."""
        row = await self.database.fetchrow(_SQL["login"], credential_id)
        if row is None:
            raise StaleTransition(f"Credential {credential_id} is gone.")
        return Login(
            credential_id=CredentialId(row["credential_id"]),
            ciphertext=row["access_token_ciphertext"],
            key_id=row["access_token_key_id"],
            expires_at=row["access_token_expires_at"],
            version=row["version"],
        )

    async def request_refresh(self, login: Login) -> None:
        """Ask token_refresher for a token newer than this one; asking often is harmless."""
        await self.database.execute(_SQL["request_refresh"], login.credential_id, login.version)


@dataclass(frozen=True, slots=True)
class Refreshes:
    """The repository of what token_refresher alone does."""

    database: Database

    async def claim_for_refresh(self, credential_id: UUID, *, lease: timedelta) -> RefreshClaim:
        """Hold it; StaleTransition while another refresh runs, or when it is broken or gone."""
        row = await self.database.fetchrow(_SQL["claim_for_refresh"], credential_id, lease)
        if row is None:
            raise StaleTransition(f"Credential {credential_id} is not to be refreshed now.")
        return RefreshClaim(
            credential_id=CredentialId(row["id"]),
            region=row["region"],
            ciphertext=row["refresh_token_ciphertext"],
            key_id=row["refresh_token_key_id"],
            version=row["version"],
            lease_until=row["lease_until"],
        )

    async def store_tokens(
        self,
        claim: RefreshClaim,
        *,
        access: tuple[bytes, str],
        refresh: tuple[bytes, str],
        lives: timedelta,
        refresh_in: timedelta,
    ) -> None:
        """Keep both tokens (ciphertext, key id) and arm the next refresh.

        The first tokens after a break let the held instances go on.
        """
        done = await self.database.fetchval(
            _SQL["store_tokens"],
            claim.credential_id,
            claim.version,
            *access,
            lives,
            *refresh,
            refresh_in,
        )
        if done is None:
            raise StaleTransition(f"Credential {claim.credential_id} was renewed by another.")
        await self.database.execute(_SQL["wake_postponed"], claim.credential_id)
        rows = await self.database.fetch(_SQL["instances_of"], claim.credential_id)
        await self.database.fetchval("select admit_instances_v1($1)", [row["id"] for row in rows])

    async def mark_broken(self, claim: RefreshClaim, *, reason: str) -> None:
        """Nothing more is admitted for its instances until somebody authorises again."""
        await self.database.execute(_SQL["mark_broken"], claim.credential_id, claim.version, reason)

    async def try_again(self, claim: RefreshClaim, *, wait: timedelta) -> None:
        """Amazon could not be asked; the timer brings the command back after `wait`.

        StaleTransition if the lease is another's by now.
        """
        armed = await self.database.fetchval(
            _SQL["try_again"], claim.credential_id, claim.version, claim.lease_until, wait
        )
        if armed is None:
            raise StaleTransition(f"Credential {claim.credential_id} is not ours any more.")
