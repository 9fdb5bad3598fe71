"""Who may use the API: names by the hash of their token. The token itself is never stored."""

from dataclasses import dataclass

from shared.db.conflicts import AlreadyExists
from shared.db.pool import Database
from shared.db.queries import load

_SQL = load("service_tokens")


@dataclass(frozen=True, slots=True)
class ServiceTokens:
    """The repository of bearer tokens."""

    database: Database

    async def name_of(self, token_sha256: bytes) -> str | None:
        """Whose token it is; None if nobody's, or if it was revoked."""
        name: str | None = await self.database.fetchval(_SQL["name_of_token"], token_sha256)
        return name

    async def create(self, name: str, token_sha256: bytes) -> None:
        """AlreadyExists if the name is taken, by a revoked token too: history keeps its owner."""
        if await self.database.fetchval(_SQL["create_token"], name, token_sha256) is None:
            raise AlreadyExists(f"There is a token named {name!r} already.")

    async def revoke(self, name: str) -> bool:
        """Whether there was one to revoke."""
        return await self.database.fetchval(_SQL["revoke_token"], name) is not None
