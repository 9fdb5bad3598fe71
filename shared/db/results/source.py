"""Reads what has to be known of the files before COPY sees them: headers, a sample, where they end.

Postgres reads the rows; Python looks at the header, at the first rows to guess types, and passes
the rest on in large pieces, with three repairs: a byte order mark and blank last lines are left
out, and `\\.` alone on a line, which Postgres before 18 takes for the end of the data, is quoted.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, Final

from shared.db.results.identifiers import ColumnKey, keys_of
from shared.db.results.order import Part, are_few_bytes
from shared.domain.errors import ResultMalformed

CHUNK_BYTES: Final = 256 * 1024
_BOM: Final = codecs.BOM_UTF8
_TAIL_BYTES: Final = 4096
_SHOWN_CHARS: Final = 300
_END_MARK: Final = re.compile(rb"(?<=[\r\n])\\\.(?=[\r\n])")
_MAYBE_END_MARK: Final = re.compile(rb"[\r\n](\\\.?)\Z")


@dataclass(frozen=True, slots=True)
class CsvFile:
    """One part that has a header."""

    number: int
    """1 for the first part."""
    part: Part
    keys: tuple[ColumnKey, ...]
    start: int

    def chunks(self, *, replacing: bool) -> Iterator[bytes]:
        """The bytes for COPY; `replacing` makes every byte valid that Postgres would refuse.

        An empty piece says that more has to arrive first, or that there just is none in it."""
        pieces = _pieces(self.part, self.start, trim=len(self.keys) > 1)
        return _quoting_end_marks(_valid_text(pieces) if replacing else pieces)

    @property
    def is_small(self) -> bool:
        """Whole, and not worth a trip to another thread."""
        return are_few_bytes((self.part,))

    def rows(self) -> Iterator[list[str]]:
        """The rows as Python reads them, without the header; stops where it cannot go on."""
        is_whole = self.part.is_whole
        records = _records(self.part, self.start, skip=1)
        # The last one may be cut in the middle while the part arrives.
        return records if is_whole else _all_but_last(records)


def open_files(parts: Sequence[Part]) -> tuple[CsvFile, ...]:
    """The parts that have at least a header; ResultMalformed if they name different columns."""
    found = [_open_file(number, part) for number, part in enumerate(parts, start=1)]
    files = tuple(file for file in found if file is not None)
    for file in files[1:]:
        if sorted(file.keys) != sorted(files[0].keys):
            raise ResultMalformed(
                f"The parts of the result have different columns: part {files[0].number} has"
                f" {_shown(files[0].keys)}; part {file.number} has {_shown(file.keys)}."
            )
    return files


def _open_file(number: int, part: Part) -> CsvFile | None:
    head = part.open().read(len(_BOM))
    start = len(_BOM) if head == _BOM else 0
    if part.size <= start:
        return None
    header = next(_records(part, start, skip=0), [""])
    return CsvFile(number, part, keys_of(header), start)


def _records(part: Part, start: int, *, skip: int) -> Iterator[list[str]]:
    file = part.open()
    file.seek(start)
    text = io.TextIOWrapper(file, "utf-8", errors="replace", newline="")
    try:
        for number, record in enumerate(csv.reader(text)):
            if number >= skip:
                yield [field.replace("\0", "\ufffd") for field in record] or [""]
    except csv.Error:
        # A field longer than the csv module takes: the sample ends, COPY will read on.
        return
    finally:
        text.detach()


def _end_of(file: BinaryIO, size: int) -> int:
    """Where the last line that says anything ends."""
    file.seek(max(size - _TAIL_BYTES, 0))
    tail = file.read()
    said = len(tail.rstrip(b"\r\n"))
    line_end = 2 if tail[said : said + 2] == b"\r\n" else 1
    return size - len(tail) + min(said + line_end, len(tail))


def _all_but_last(records: Iterator[list[str]]) -> Iterator[list[str]]:
    return (record for record, _ in pairwise(records))


def _pieces(part: Part, start: int, *, trim: bool) -> Iterator[bytes]:
    """All bytes from `start` on, blank last lines left out; an empty one where more has to come."""
    place, file = start, part.open()
    file.seek(start)
    while True:
        if is_last := part.is_whole:
            end = _end_of(part.open(), part.size) if trim else part.size
            file.seek(place)
        else:
            # Blank lines in what is there may turn out to be the last ones.
            end = part.size - _TAIL_BYTES
        while piece := file.read(max(min(CHUNK_BYTES, end - place), 0)):
            place += len(piece)
            yield piece
        if is_last:
            return
        yield b""


def _valid_text(pieces: Iterator[bytes]) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for piece in pieces:
        yield decoder.decode(piece).replace("\0", "\ufffd").encode()
    if rest := decoder.decode(b"", final=True):
        yield rest.encode()


def _quoting_end_marks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    r"""The same rows, with every record that is exactly `\.` written as `"\."`.

    A line within a quoted field is none: the quotes before it are of odd number.
    """
    before, held, is_quoted = b"\n", b"", False
    for piece in pieces:
        data = before + held + piece
        cut = _MAYBE_END_MARK.search(data, max(len(data) - 3, 0))
        end = cut.start(1) if cut else len(data)
        ready, held = data[1:end], data[end:]
        if b"\\" in ready and b"\\." in ready:
            yield _with_marks_quoted(data[:end], is_quoted=is_quoted)
        else:
            yield ready
        is_quoted ^= bool(ready.count(b'"') & 1)
        before = data[end - 1 : end]
    if held:
        yield b'"\\."' if held == b"\\." and not is_quoted else held


def _with_marks_quoted(data: bytes, *, is_quoted: bool) -> bytes:
    """All but the first byte of `data`, which is there to be looked back at."""
    done, pieces = 1, []
    for mark in _END_MARK.finditer(data):
        text = data[done : mark.start()]
        is_quoted ^= bool(text.count(b'"') & 1)
        pieces += [text, mark[0] if is_quoted else b'"\\."']
        done = mark.end()
    return b"".join([*pieces, data[done:]])


def _shown(keys: Sequence[ColumnKey]) -> str:
    text = ", ".join(repr(key.source_name) for key in keys)
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
