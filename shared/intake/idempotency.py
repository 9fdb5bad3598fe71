"""The same key with the same request gives the same answer, once and for all.

The key is stored in the transaction of the work itself. Twins that arrive at once both try; the
database lets one through, and the other answers with what the first one stored.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic import BaseModel

from shared.db.acceptance import RememberedRequest
from shared.domain.errors import ConflictError
from shared.intake.errors import IdempotencyKeyReused

Answer = TypeVar("Answer", bound=BaseModel)
Remember = Callable[[Answer], RememberedRequest | None]
"""What a repository calls inside its transaction to know what to store under the key."""


class Keys(Protocol):
    """Where answered requests are kept."""

    async def find(self, owner: str, scope: str, key: str) -> RememberedRequest | None: ...


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request that its client may send again: who, which operation, which key, what."""

    owner: str
    scope: str
    key: str
    request_sha256: bytes

    def remember(self, answer: BaseModel) -> RememberedRequest:
        """What to store beside the work."""
        return RememberedRequest(
            self.owner,
            self.scope,
            self.key,
            self.request_sha256,
            answer.model_dump(mode="json"),
        )


def forget(_answer: BaseModel) -> None:
    """In place of `remember`, for a request without a key."""


def content_hash(target: str, body: BaseModel | None) -> bytes:
    """Of what was asked, whatever the order of members or the white space it came in."""
    content = None if body is None else body.model_dump(mode="json", exclude_unset=True)
    return hashlib.sha256(json.dumps([target, content], sort_keys=True).encode("ascii")).digest()


@dataclass(frozen=True, slots=True)
class Once:
    """Does work at most once for each key."""

    keys: Keys

    async def answer(
        self,
        asked: Repeatable | None,
        kind: type[Answer],
        work: Callable[[Remember[Answer]], Awaitable[Answer]],
    ) -> Answer:
        """The work's answer, or the one it gave before; IdempotencyKeyReused for another body."""
        if asked is None:
            return await work(forget)
        earlier = await self._earlier(asked, kind)
        if earlier is not None:
            return earlier
        try:
            return await work(asked.remember)
        except ConflictError:
            earlier = await self._earlier(asked, kind)
            if earlier is None:
                raise
            return earlier

    async def _earlier(self, asked: Repeatable, kind: type[Answer]) -> Answer | None:
        found = await self.keys.find(asked.owner, asked.scope, asked.key)
        if found is None:
            return None
        if found.request_sha256 != asked.request_sha256:
            raise IdempotencyKeyReused(f"The key {asked.key!r} was used for another request.")
        return kind.model_validate(found.response)
