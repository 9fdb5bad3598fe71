"""The outbox: messages committed with the rows they speak of, then published and deleted."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from asyncpg import Record

from shared.db.pool import Database
from shared.db.queries import load
from shared.db.timers import ALL

_SQL = load("outbox")


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message waiting to be published."""

    id: int
    message_id: UUID
    message_type: str
    body: bytes
    correlation_id: str | None
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Outbox:
    """The repository of unpublished messages, as one relay sees it."""

    database: Database
    lease: timedelta = timedelta(seconds=15)
    """Longer than a publish may take, so that no other relay takes a row in flight."""

    async def fresh(self, *, limit: int, above: int = 0) -> list[OutboxRow]:
        """What this process has just written, with ids above this one: one plain read."""
        return _rows(
            await self.database.fetch(_SQL["fresh_batch"], self.database.relay_id, limit, above)
        )

    async def claim_left_behind(self, *, limit: int, back: timedelta = ALL) -> list[OutboxRow]:
        """Those whose lease ran out within `back`, leased to us."""
        return _rows(
            await self.database.fetch(
                _SQL["claim_left_behind"], self.database.relay_id, limit, self.lease, back
            )
        )

    async def delete(self, published: Collection[int]) -> None:
        """The broker has confirmed them."""
        await self.database.execute(
            _SQL["delete_published"], list(published), self.database.relay_id
        )

    async def let_go(self, unsent: Collection[int]) -> None:
        """The broker did not take them: in a second anybody may try."""
        await self.database.execute(_SQL["let_go"], list(unsent), self.database.relay_id)

    async def give_back(self) -> None:
        """This process stops: others need not wait for its leases."""
        await self.database.execute(_SQL["give_back"], self.database.relay_id)


def _rows(records: list[Record]) -> list[OutboxRow]:
    return [
        OutboxRow(
            id=record["id"],
            message_id=record["message_id"],
            message_type=record["message_type"],
            body=_body(record),
            correlation_id=record["correlation_id"],
            headers=record["headers"],
        )
        for record in records
    ]


def _body(record: Record) -> bytes:
    if record["raw_body"] is not None:
        return str(record["raw_body"]).encode()
    return json.dumps(record["body"], separators=(",", ":")).encode()
