"""Executions as bytes, kept for as long as their rows stay what they are.

Lists are asked for again and again, by people and by programs that wait, and little of them is
new each time. Every request asks the database which rows it has in which version; only what is
new is read and written as JSON. So nothing is shown that is not so at the moment of the question.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from services.api.schemas.executions import execution_json
from shared.db.executions_read import Execution, ExecutionFilter, Versioned

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
    """The texts of the executions that were asked for last, `most_bytes` of them."""

    executions: Executions
    most_bytes: int = _MOST_BYTES
    _kept: OrderedDict[UUID, tuple[tuple[int, int, int], bytes]] = field(
        default_factory=OrderedDict
    )
    _bytes: int = 0

    async def page(
        self, wanted: ExecutionFilter, *, after: UUID, limit: int
    ) -> list[tuple[UUID, bytes]]:
        """The newest first, each with its JSON."""
        listed = await self.executions.page(wanted, after=after, limit=limit)
        texts = self._known(listed)
        missing = {each.id: each.version for each in listed if each.id not in texts}
        if missing:
            # Read later than their versions: at worst newer than these, and then read once more.
            for execution in await self.executions.of(list(missing)):
                text = texts[execution.id] = execution_json(execution)
                self._keep(execution.id, missing[execution.id], text)
        return [(each.id, texts[each.id]) for each in listed if each.id in texts]

    def _known(self, listed: Sequence[Versioned]) -> dict[UUID, bytes]:
        texts = {}
        for execution_id, version in listed:
            entry = self._kept.get(execution_id)
            if entry is not None and entry[0] == version:
                texts[execution_id] = entry[1]
                self._kept.move_to_end(execution_id)
        return texts

    def _keep(self, execution_id: UUID, version: tuple[int, int, int], text: bytes) -> None:
        before = self._kept.pop(execution_id, None)
        self._bytes += len(text) - len(before[1]) if before else len(text) + _OVERHEAD
        self._kept[execution_id] = version, text
        while self._bytes > self.most_bytes:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._bytes -= len(oldest) + _OVERHEAD
