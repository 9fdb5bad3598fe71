"""Requests that were answered before, by the key their client gave them.

A key is written in the transaction of what it asked for: either both exist or neither. Two twins
at once meet on the primary key; the later one gets StaleTransition and reads the first's answer.
"""

from dataclasses import dataclass

from shared.db.acceptance import RememberedRequest
from shared.db.pool import Connection, Database
from shared.db.queries import load

_SQL = load("idempotency")


async def remember(connection: Connection, request: RememberedRequest | None) -> None:
    """Write the key inside the caller's transaction; StaleTransition if it is there."""
    if request is not None:
        await connection.execute(
            _SQL["remember_request"],
            request.owner,
            request.scope,
            request.key,
            request.request_sha256,
            request.response,
        )


@dataclass(frozen=True, slots=True)
class IdempotencyKeys:
    """The remembered requests."""

    database: Database

    async def find(self, owner: str, scope: str, key: str) -> RememberedRequest | None:
        """What was answered under this key, or None."""
        row = await self.database.fetchrow(_SQL["find_request"], owner, scope, key)
        if row is None:
            return None
        return RememberedRequest(owner, scope, key, row["request_sha256"], row["response"])
