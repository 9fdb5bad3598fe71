"""Holds the parts of a result on this machine while they are loaded.

Everything is fetched before the first row is written: a slow source must not hold a snapshot of
the database, and a value that breaks its column's type must not need a new link. A part stays in
memory while it is small, then moves to an unlinked temporary file, so that nothing is left behind
whatever becomes of this process. One writer, many readings, never two at once. From the file a
reading may begin while the rest arrives: see `services.downloader.following`.
"""

import asyncio
import errno
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.downloader.groups import first_of
from services.downloader.part import SpooledPart
from shared.amc.results import ResultPart
from shared.domain.errors import ResultTooLarge, SpoolFull

MEMORY_BYTES: Final = 8 * 1024 * 1024
_WRITE_BYTES: Final = 1024 * 1024

Source = Callable[[], AbstractAsyncContextManager[ResultPart]]


OnGrowth = Callable[[Sequence[SpooledPart]], None]
"""Told of all parts, in order, whenever one of them has grown on the disk and none is missing."""


@dataclass(frozen=True, slots=True)
class DiskSpool:
    """The spool of one downloader.

    `parallel` parts of one result are fetched side by side. `reserve_bytes` of the disk are left
    to others: a result that would take them is refused before it is written, with SpoolFull
    where waiting may help and ResultTooLarge where the empty disk would not hold it.
    """

    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    parallel: int = 3
    memory_bytes: int = MEMORY_BYTES
    reserve_bytes: int = 256 * 1024 * 1024

    @asynccontextmanager
    async def session(self) -> AsyncIterator["DiskShelf"]:
        """A place for the parts of one result; all of it is gone afterwards."""
        shelf = DiskShelf(self)
        try:
            yield shelf
        finally:
            shelf.clear()


class DiskShelf:
    """The parts of one result, by the name of the object they came from."""

    def __init__(self, spool: DiskSpool) -> None:
        self._spool = spool
        self._places = asyncio.Semaphore(spool.parallel)
        self._parts: dict[str, SpooledPart] = {}
        self._arriving: dict[str, SpooledPart] = {}

    async def fill(
        self, sources: Mapping[str, Source], on_growth: OnGrowth | None = None
    ) -> list[SpooledPart]:
        """Fetch what is not there yet, side by side; the parts in the order of `sources`.

        Raises the first error of any of them; parts that were complete by then stay.
        """
        self._arriving.clear()

        def grown() -> None:
            there = {**self._parts, **self._arriving}
            if on_growth is not None and len(there) == len(sources):
                on_growth([there[name] for name in sources])

        try:
            async with asyncio.TaskGroup() as group:
                for name in sources.keys() - self._parts.keys():
                    group.create_task(self._take(name, sources[name], grown))
        except BaseExceptionGroup as errors:
            raise first_of(errors) from None
        return [self._parts[name] for name in sources]

    def clear(self) -> None:
        """Give memory and disk back."""
        for part in self._parts.values():
            part.close()
        self._parts.clear()

    async def _take(self, name: str, source: Source, grown: Callable[[], None]) -> None:
        part = SpooledPart(self._spool.memory_bytes, self._spool.folder)
        try:
            async with self._places, source() as opened:
                self._require(opened.content_length or 0)
                part.announced = opened.content_length
                self._arriving[name] = part
                await self._write(part, opened.chunks, grown)
            part.complete()
            self._parts[name] = part
        finally:
            if name not in self._parts:
                part.close()

    async def _write(
        self, part: SpooledPart, chunks: AsyncIterator[bytes], grown: Callable[[], None]
    ) -> None:
        """Beside the event loop, each piece while the next one arrives."""
        async with asyncio.TaskGroup() as group:
            writing: asyncio.Task[None] | None = None
            async for batch in _batches(chunks):
                self._require(len(batch))
                if writing is not None:
                    await writing
                    _tell(part, grown)
                if len(batch) < _WRITE_BYTES and part.size + len(batch) <= self._spool.memory_bytes:
                    # The last piece, into memory: a trip to another thread would cost more.
                    _append(part, batch)
                else:
                    writing = group.create_task(asyncio.to_thread(_append, part, batch))

    def _require(self, wanted: int) -> None:
        if wanted <= self._spool.memory_bytes:
            wanted = 0
        disk = shutil.disk_usage(self._spool.folder)
        if disk.free >= wanted + self._spool.reserve_bytes:
            return
        # Only what the empty disk would not hold cannot be helped by waiting.
        never = disk.total > 0 and disk.total < wanted
        raise (ResultTooLarge if never else SpoolFull)(
            f"The downloader's disk has {_mib(disk.free)} MiB free; this part of the result"
            f" needs {_mib(wanted)} MiB, and {_mib(self._spool.reserve_bytes)} MiB are kept"
            " in reserve."
        )


def _tell(part: SpooledPart, grown: Callable[[], None]) -> None:
    if part.is_on_disk:
        part.tell()
        grown()


def _append(part: SpooledPart, data: bytes) -> None:
    try:
        part.append(data)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise SpoolFull("The downloader's disk is full.") from error


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces that are worth a trip to another thread."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        if len(held) >= _WRITE_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _mib(count: int) -> int:
    return -(-count // (1024 * 1024))
