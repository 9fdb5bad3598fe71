"""What a load is asked to do, and what it says when it is done."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol
from uuid import UUID

from shared.domain.claims import DownloadClaim

_SMALL_BYTES: Final = 256 * 1024
"""So few bytes are read while the event loop waits: handing them to a thread costs more."""


class NotWhole(Exception):
    """A load that began while its parts arrived cannot go on; once they are whole it can."""


class Part(Protocol):
    """One part of a result, held where it can be read more than once."""

    @property
    def size(self) -> int:
        """Bytes that are there."""

    @property
    def sha256(self) -> bytes:
        """Of all of them."""

    @property
    def is_whole(self) -> bool:
        """Nothing more will come; until then only `size` grows."""

    def open(self) -> BinaryIO:
        """The bytes from the start; its holder closes it. Maybe always the same file, rewound."""

    async def more_than(self, size: int) -> None:
        """Wait until there is more, or the part is whole; NotWhole if it never will be."""


def are_few_bytes(parts: Sequence[Part]) -> bool:
    """Whole, and not worth a trip to another thread."""
    return all(part.is_whole for part in parts) and sum(p.size for p in parts) <= _SMALL_BYTES


async def _nothing_to_wait_for() -> None:
    """All is there."""


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A column as AMC declares it; `data_type` in AMC's words, None if it says nothing."""

    name: str
    data_type: str | None


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """Parts that were fetched under a claim, to be made rows of its execution."""

    claim: DownloadClaim
    parts: Sequence[Part]
    declared: Sequence[DeclaredColumn] = ()
    output_location: str | None = None
    announced_bytes: int = 0
    """Of all parts, while they arrive."""
    arrived: Callable[[], Awaitable[None]] = _nothing_to_wait_for
    """Waited for when all rows are in and nothing is completed yet: may these bytes stay?"""

    @property
    def size_bytes(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def is_small(self) -> bool:
        """Whole, and not worth a trip to another thread."""
        return are_few_bytes(self.parts)


@dataclass(frozen=True, slots=True)
class LoadedResult:
    """A result that stands in the database and whose execution is completed."""

    execution_id: UUID
    table_name: str
    version: int
    row_count: int
    size_bytes: int
    replaced_characters: bool
    """Some bytes were not UTF-8, or NUL: each became U+FFFD."""
    broken_types: tuple[str, ...] = field(default=())
    """Columns whose type did not hold, in the order they broke."""
