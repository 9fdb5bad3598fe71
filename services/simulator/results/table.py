"""A made-up result whose size is known before it is written, in constant memory.

Rows come in tiles of up to 512. Every tile has the same fields, each column turned by its own
step, so that rows differ while every full tile has the same length: Content-Length of a 2 GB file
costs one tile.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from services.simulator.catalogue import Column

TILE_ROWS = 512
MAX_PARTS = 5
_QUOTED = ('"', ",", "\n", "\r")


def csv_field(text: str) -> str:
    """RFC 4180 quoting, only where it is needed."""
    if any(mark in text for mark in _QUOTED):
        return '"' + text.replace('"', '""') + '"'
    return text


@dataclass(slots=True)
class ResultTable:
    """Header, `rows` rows made of `fields` (one list of CSV fields per column), a last line."""

    columns: Sequence[Column]
    fields: list[list[str]]
    rows: int
    last_line: bytes = b""
    """One more row, given in full; counts in `rows`."""
    has_header: bool = True
    _tile_bytes: int = field(default=-1)

    @property
    def tile_rows(self) -> int:
        return len(self.fields[0])

    @property
    def header(self) -> bytes:
        if not self.has_header:
            return b""
        return (",".join(csv_field(c.name) for c in self.columns) + "\n").encode()

    def size(self, start: int, stop: int) -> int:
        """Bytes of the rows from `start` to before `stop`, without the header."""
        tiled, tail = self._split(start, stop)
        tile = self.tile_rows
        first, full = -(-start // tile), tiled // tile
        if full <= first:
            return sum(map(len, self._lines(start, tiled))) + tail
        edges = sum(map(len, self._lines(start, first * tile)))
        edges += sum(map(len, self._lines(full * tile, tiled)))
        return edges + (full - first) * self._full_tile_bytes() + tail

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The same rows as bytes, a tile at a time."""
        tiled, tail = self._split(start, stop)
        yield from self._lines(start, tiled)
        if tail:
            yield self.last_line

    def parts(self, count: int | None, part_bytes: int) -> list[tuple[int, int]]:
        """Row ranges of the result's files: as many as asked for, or as the size needs, 1 to 5."""
        if count is None:
            count = -(-self.size(0, self.rows) // part_bytes)
        count = max(1, min(count, MAX_PARTS, max(self.rows, 1)))
        edges = [self.rows * number // count for number in range(count + 1)]
        return list(pairwise(edges))

    def _split(self, start: int, stop: int) -> tuple[int, int]:
        """Where the tiled rows end, and the bytes of the last line if it is within."""
        tiled = self.rows - (1 if self.last_line else 0)
        return min(stop, tiled), len(self.last_line) if start <= tiled < stop else 0

    def _full_tile_bytes(self) -> int:
        if self._tile_bytes < 0:
            self._tile_bytes = sum(map(len, self._lines(0, self.tile_rows)))
        return self._tile_bytes

    def _lines(self, start: int, stop: int) -> Iterator[bytes]:
        while start < stop:
            tile, within = divmod(start, self.tile_rows)
            until = min(self.tile_rows, within + stop - start)
            yield self._tile(tile, within, until)
            start += until - within

    def _tile(self, tile: int, within: int, until: int) -> bytes:
        turned = []
        for number, values in enumerate(self.fields):
            step = tile * (2 * number + 1) % self.tile_rows
            turned.append((values[step:] + values[:step])[within:until])
        return ("\n".join(map(",".join, zip(*turned, strict=True))) + "\n").encode()


def metadata_file(facts: dict[str, object]) -> bytes:
    """The content behind a metadata URL."""
    return (json.dumps(facts, indent=2) + "\n").encode()
