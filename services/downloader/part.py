"""One part of a result in the spool: in memory while it is small, then in an unlinked file."""

import asyncio
import hashlib
import io
import os
import tempfile
import time
from codecs import getincrementaldecoder
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from typing_extensions import override

from shared.db.results.order import NotWhole

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class SpooledPart:
    """Counted while it is written; readers may follow the writer once it is on the disk."""

    def __init__(self, memory_bytes: int, folder: Path) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=memory_bytes, dir=str(folder))  # noqa: SIM115 - closed by its shelf
        self._memory_bytes = memory_bytes
        self._digest = hashlib.sha256()
        self._text = getincrementaldecoder("utf-8")()
        self._is_text = True
        self._is_closed = False
        self._changed = asyncio.Event()
        self.size = 0
        self.is_whole = False
        self.since = time.monotonic()
        self.announced: int | None = None
        """Bytes on the wire, as its source said; packed ones become more."""

    @property
    def sha256(self) -> bytes:
        return self._digest.digest()

    @property
    def is_text(self) -> bool:
        """Whether all of it is UTF-8 without U+0000, as AMC writes; for a part that is complete."""
        return self._is_text and self._text.getstate()[0] == b""

    @property
    def is_on_disk(self) -> bool:
        return self.size > self._memory_bytes

    def append(self, data: bytes) -> None:
        """Write at the end; may touch the disk."""
        self._file.write(data)
        if self.size + len(data) > self._memory_bytes:
            self._file.flush()
        self._digest.update(data)
        if self._is_text:
            self._is_text = self._goes_on_as_text(data)
        # Last: what readers are told of is there.
        self.size += len(data)

    def complete(self) -> None:
        """Nothing more will come."""
        self.is_whole = True
        self.tell()

    def tell(self) -> None:
        """Wake those who wait for more."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def more_than(self, size: int) -> None:
        """Wait until there is more, or the part is whole; NotWhole if it never will be."""
        while self.size <= size and not self.is_whole:
            if self._is_closed:
                raise NotWhole("The part broke off.")
            await self._changed.wait()

    def open(self) -> BinaryIO:
        """The bytes from the start, as far as they are there: in memory always the same file,
        rewound; on the disk a reading of its own, which the writer does not disturb. NotWhole if
        the part broke off."""
        try:
            if self.is_on_disk:
                return io.BufferedReader(_Reading(self._file.fileno()))
            self._file.seek(0)
        except ValueError:
            # It is closed, maybe by the event loop while a thread is here.
            raise NotWhole("The part broke off.") from None
        return cast("BinaryIO", self._file)

    def close(self) -> None:
        self._is_closed = True
        self._file.close()
        self.tell()

    def _goes_on_as_text(self, data: bytes) -> bool:
        try:
            self._text.decode(data)
        except UnicodeDecodeError:
            return False
        return b"\x00" not in data


class _Reading(io.RawIOBase):
    """A file that somebody else writes and closes, from its start; holds its own descriptor."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = os.dup(descriptor)
        self._place = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        count = os.preadv(self._descriptor, [buffer], self._place)
        self._place += count
        return count

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place}.get(whence)
        self._place = offset + (os.fstat(self._descriptor).st_size if base is None else base)
        return self._place

    @override
    def tell(self) -> int:
        return self._place

    @override
    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
