"""Unpacks gzip as it arrives, within bounds on memory, size and ratio.

A few kilobytes of gzip can unpack to gigabytes. Output is made in pieces of a fixed size, and
counting stops the whole before the caps are passed, so nothing big is ever held.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared.domain.errors import ResultMalformed, ResultTooLarge, ResultUnavailable

MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_PIECE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What a download may unpack to. The ratio counts only once there is much output: rows that
    repeat themselves pack better than 200:1 without any harm."""

    max_bytes: int = 64 * 1024**3
    max_ratio: int = 200
    ratio_free_bytes: int = 64 * 1024**2


class Gunzip:
    """One gzip file, which may be several members behind each other (RFC 1952, 2.2)."""

    def __init__(self, limits: UnpackLimits) -> None:
        self._limits = limits
        self._stream = zlib.decompressobj(_GZIP_WINDOW)
        self._inside = False
        self.bytes_in = 0
        self.bytes_out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces this much input makes; ResultMalformed for what is not gzip."""
        self.bytes_in += len(data)
        while data:
            if self._stream.eof:
                self._stream = zlib.decompressobj(_GZIP_WINDOW)
            piece, data = self._step(data)
            if piece:
                self._count(len(piece))
                yield piece

    def finish(self) -> Iterator[bytes]:
        """What is left inside; ResultUnavailable if the file ended before its end mark."""
        while self._inside and not self._stream.eof:
            piece, _ = self._step(b"")
            if not piece:
                break
            self._count(len(piece))
            yield piece
        if not self._stream.eof:
            raise ResultUnavailable("The packed result ends before its end mark.")

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            piece = self._stream.decompress(data, _PIECE)
        except zlib.error as error:
            raise ResultMalformed(f"The result is not valid gzip: {error}.") from None
        self._inside = True
        return piece, self._stream.unused_data or self._stream.unconsumed_tail

    def _count(self, size: int) -> None:
        self.bytes_out += size
        if self.bytes_out > self._limits.max_bytes:
            raise ResultTooLarge(f"The result unpacks to more than {self._limits.max_bytes} bytes.")
        if (
            self.bytes_out > self._limits.ratio_free_bytes
            and self.bytes_out > self.bytes_in * self._limits.max_ratio
        ):
            raise ResultTooLarge(
                f"The result unpacks to more than {self._limits.max_ratio} times its size."
            )
