"""A result as one CSV file on disk, with the place of every 512th row in a file beside it.

The second file comes last: where it is, the first is complete, and another process may read both.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from services.simulator.catalogue import Column
from services.simulator.results.table import MAX_PARTS, csv_field

_STRIDE = 512
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Lines:
    """Some rows as they stand in the file, each with its line end."""

    text: memoryview | bytes
    edges: Sequence[int]
    """Where each row begins, and where the last one ends; what is before the first is not in
    `text`."""

    def __len__(self) -> int:
        return len(self.edges) - 1


@dataclass(slots=True)
class ResultFile:
    """The rows of one execution as bytes, in the form of a made-up result."""

    path: Path
    columns: Sequence[Column]
    rows: int
    offsets: list[int] = field(repr=False)
    """Where every 512th row begins, and where the file ends."""
    sha256: str
    """Of the header and all rows."""

    @property
    def header(self) -> bytes:
        return _header(self.columns)

    def size(self, start: int, stop: int) -> int:
        """Bytes of the rows from `start` to before `stop`, without the header."""
        return self._offset(stop) - self._offset(start)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        left = self.size(start, stop)
        with self.path.open("rb") as opened:
            opened.seek(self._offset(start))
            while left > 0:
                piece = opened.read(min(left, _CHUNK))
                left -= len(piece)
                yield piece

    def parts(self, count: int | None, part_bytes: int) -> list[tuple[int, int]]:
        """Row ranges of the result's files: as many as asked for, or as the size needs, 1 to 5."""
        if count is None:
            count = -(-self.size(0, self.rows) // part_bytes)
        count = max(1, min(count, MAX_PARTS, max(self.rows, 1)))
        edges = [self.rows * number // count for number in range(count + 1)]
        return list(pairwise(edges))

    def _offset(self, row: int) -> int:
        if row >= self.rows:
            return self.offsets[-1]
        at = self.offsets[row // _STRIDE]
        with self.path.open("rb") as opened:
            opened.seek(at)
            for _ in range(row % _STRIDE):
                at += _record_length(opened)
        return at


def _record_length(opened: BinaryIO) -> int:
    """The length of the next record; a quoted field may hold line ends."""
    line = opened.readline()
    while line.count(b'"') % 2:
        line += opened.readline()
    return len(line)


def write_result(path: Path, columns: Sequence[Column], batches: Iterable[Lines]) -> ResultFile:
    """Writes the rows, without the header, which every part begins with. The file appears complete
    or not at all, and `read_result` finds it from then on."""
    rows, at, offsets, digest = 0, 0, list[int](), hashlib.sha256(_header(columns))
    partial = path.with_suffix(".partial")
    with partial.open("wb") as opened:
        for lines in batches:
            shift = at - lines.edges[0]
            offsets += [shift + edge for edge in lines.edges[-rows % _STRIDE : -1 : _STRIDE]]
            digest.update(lines.text)
            rows, at = rows + len(lines), at + opened.write(lines.text)
    partial.replace(path)
    written = ResultFile(path, columns, rows, [*offsets, at], digest.hexdigest())
    _describe(written)
    return written


def read_result(path: Path) -> ResultFile | None:
    """What `write_result` left there, in this process or an earlier one."""
    try:
        kept = json.loads(_beside(path).read_text())
    except FileNotFoundError:
        return None
    columns = tuple(Column(*facts) for facts in kept["columns"])
    return ResultFile(path, columns, kept["rows"], kept["offsets"], kept["sha256"])


def _describe(written: ResultFile) -> None:
    kept = {
        "columns": [astuple(column) for column in written.columns],
        "rows": written.rows,
        "offsets": written.offsets,
        "sha256": written.sha256,
    }
    partial = written.path.with_suffix(".partial")
    partial.write_text(json.dumps(kept))
    partial.replace(_beside(written.path))


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")


def _header(columns: Sequence[Column]) -> bytes:
    return (",".join(csv_field(column.name) for column in columns) + "\n").encode()
