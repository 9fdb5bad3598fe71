"""What a load is asked to do, and what it says when it is done."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol
from uuid import UUID

from shared.domain.claims import DownloadClaim


class Part(Protocol):
    """One part of a result, held where it can be read more than once."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def sha256(self) -> bytes:
        """Of all of them."""

    def open(self) -> BinaryIO:
        """The bytes from the start: always the same file, rewound; its holder closes it."""


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

    @property
    def size_bytes(self) -> int:
        return sum(part.size for part in self.parts)


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
