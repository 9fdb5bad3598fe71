"""Executions as bytes, kept for as long as their rows stay what they are.

Lists are asked for again and again, by people and by programs that wait, and little of them is
new each time. Every request asks the database which rows it has in which version; only what is
new is read and written as JSON. So nothing is shown that is not so at the moment of the question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from services.api.schemas.executions import execution_json
from shared.db.executions_read import Execution, ExecutionFilter, Version, Versioned

_MOST_BYTES: Final = 16 * 1024 * 1024
_OVERHEAD: Final = 400
"""Of an entry beside its text, roughly."""


class Executions(Protocol):
    """Where executions are read."""

    async def page(
        self, wanted: ExecutionFilter, *, after: UUID, limit: int
    ) -> list[Versioned]: ...
    async def of(self, ids: Sequence[UUID]) -> list[Execution]: ...


@dataclass(slots=True)
class ShownExecutions:
    """The texts of the executions that were shown last, up to `most_bytes` of them."""

    executions: Executions
    most_bytes: int = _MOST_BYTES
    _kept: dict[UUID, tuple[Version, bytes]] = field(default_factory=dict)
    _bytes: int = 0

    async def page(
        self, wanted: ExecutionFilter, *, after: UUID, limit: int
    ) -> list[tuple[UUID, bytes]]:
        """The newest first, each with its JSON."""
        listed = await self.executions.page(wanted, after=after, limit=limit)
        texts: dict[UUID, bytes] = {}
        missing: dict[UUID, Version] = {}
        for execution_id, version in listed:
            entry = self._kept.get(execution_id)
            if entry is not None and entry[0] == version:
                texts[execution_id] = entry[1]
            else:
                missing[execution_id] = version
        if not missing:
            return list(texts.items())
        # Read later than their versions: at worst newer than these, and then read once more.
        for execution in await self.executions.of(list(missing)):
            text = texts[execution.id] = execution_json(execution)
            self._keep(execution.id, missing[execution.id], text)
        return [(each, texts[each]) for each, _ in listed if each in texts]

    def _keep(self, execution_id: UUID, version: Version, text: bytes) -> None:
        before = self._kept.pop(execution_id, None)
        self._bytes += len(text) - len(before[1]) if before else len(text) + _OVERHEAD
        self._kept[execution_id] = version, text
        while self._bytes > self.most_bytes:
            # The first is the one that was written longest ago.
            _, oldest = self._kept.pop(next(iter(self._kept)))
            self._bytes -= len(oldest) + _OVERHEAD
