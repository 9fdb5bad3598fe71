r"""Bytes are passed on as they came, but for the repairs that Postgres needs."""

import hashlib
import io
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from shared.db.results import source
from shared.db.results.source import open_files
from shared.domain.errors import ResultMalformed


class Piece:
    """A part in memory."""

    is_whole = True

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.sha256 = hashlib.sha256(data).digest()

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)

    async def more_than(self, size: int) -> None:
        """It is whole."""


def sent(data: bytes, *, replacing: bool = False) -> bytes:
    [file] = open_files([Piece(data)])
    return b"".join(file.chunks(replacing=replacing))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\n1,2\n", b"a,b\n1,2\n"),
        (b"\xef\xbb\xbfa,b\n1,2", b"a,b\n1,2"),
        (b"a,b\r\n1,2\r\n\r\n\r\n", b"a,b\r\n1,2\r\n"),
        (b"a\n1\n\n", b"a\n1\n\n"),
        (b"a\n\\.\nb\n", b'a\n"\\."\nb\n'),
        (b"a\nb\n\\.", b'a\nb\n"\\."'),
        (b'a\n"x\n\\.\ny"\n\\.x\n', b'a\n"x\n\\.\ny"\n\\.x\n'),
    ],
)
def test_repairs(data: bytes, expected: bytes) -> None:
    assert sent(data) == expected


@given(
    st.lists(st.sampled_from([b"\\", b".", b"\n", b"\r\n", b'"', b"x", b"\\."])), st.integers(1, 9)
)
def test_marks_are_found_however_the_file_is_cut(pieces: list[bytes], size: int) -> None:
    data = b"a\n" + b"".join(pieces)
    whole = sent(data)
    original = source.CHUNK_BYTES
    source.CHUNK_BYTES = size  # type: ignore[misc]
    try:
        assert sent(data) == whole
    finally:
        source.CHUNK_BYTES = original  # type: ignore[misc]


class Growing(Piece):
    """A part that is still written while it is read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.is_whole, self.size = False, 0

    def grow(self, count: int) -> None:
        self.size = min(self.size + count, len(self.data))
        self.is_whole = self.size == len(self.data)

    @override
    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


@given(
    st.lists(st.sampled_from([b"\\", b"\n", b"\r\n", b'"', b"x,y", b"\\.", b"\xc3\xa9"])),
    st.lists(st.integers(1, 9), min_size=1),
    st.booleans(),
)
def test_a_part_that_grows_is_passed_on_like_one_that_is_whole(
    pieces: list[bytes], steps: list[int], replacing: bool
) -> None:
    data = b"a,b\n" + b"".join(pieces)
    part = Growing(data)
    part.grow(4)
    original = source._TAIL_BYTES
    source._TAIL_BYTES = 3  # type: ignore[misc]
    try:
        whole = sent(data, replacing=replacing)
        [file] = open_files([part])
        passed = []
        for piece in file.chunks(replacing=replacing):
            passed.append(piece)
            if not piece and not part.is_whole:
                part.grow(steps[len(passed) % len(steps)])
        assert b"".join(passed) == whole
    finally:
        source._TAIL_BYTES = original  # type: ignore[misc]


def test_the_last_row_of_a_part_that_grows_is_no_sample() -> None:
    part = Growing(b"a,b\n1,2\n3,45\n")
    part.grow(11)

    [file] = open_files([part])

    assert list(file.rows()) == [["1", "2"]]


def test_bytes_that_are_no_text_are_replaced_across_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CHUNK_BYTES", 1)

    assert (
        sent("a\né\0".encode() + b"\xff\xc3", replacing=True).decode() == "a\né\ufffd\ufffd\ufffd"
    )


def test_files_without_a_header_are_left_out() -> None:
    assert [
        file.number for file in open_files([Piece(b""), Piece(b"a\n"), Piece(b"\xef\xbb\xbf")])
    ] == [2]


def test_different_columns_are_named() -> None:
    with pytest.raises(ResultMalformed, match=r"part 1 has 'a', 'b'; part 3 has 'a', 'a'"):
        open_files([Piece(b"a,b\n"), Piece(b"b,a\n"), Piece(b"a,a\n")])


def test_a_header_may_have_lines_and_quotes() -> None:
    [file] = open_files([Piece(b'"a\nb","c""d"\n1,2\n')])

    assert [key.source_name for key in file.keys] == ["a\nb", 'c"d']
    assert list(file.rows()) == [["1", "2"]]


def test_a_field_too_long_to_look_at_ends_the_sample() -> None:
    [file] = open_files([Piece(b"a,b\n1,2\n" + b"x" * 200_000 + b",2\n")])

    assert list(file.rows()) == [["1", "2"]]
