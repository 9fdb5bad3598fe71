"""Unpacking: faithful for what is honest, bounded for what is not."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.amc.gunzip import Gunzip, UnpackLimits
from shared.domain.errors import ResultMalformed, ResultTooLarge, ResultUnavailable

LIMITS = UnpackLimits(max_bytes=100_000, max_ratio=50, ratio_free_bytes=20_000)


def unpack(packed: bytes, *, step: int = 4096, limits: UnpackLimits = LIMITS) -> bytes:
    gunzip, out = Gunzip(limits), b""
    for start in range(0, len(packed), step):
        out += b"".join(gunzip.feed(packed[start : start + step]))
    return out + b"".join(gunzip.finish())


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=4), st.integers(1, 500))
def test_members_behind_each_other_come_out_as_one_however_they_are_cut(
    members: list[bytes], step: int
) -> None:
    packed = b"".join(map(gzip.compress, members))

    assert unpack(packed, step=step) == b"".join(members)


@given(st.integers(0, 400_000), st.integers(1, 5000))
def test_no_input_unpacks_beyond_the_caps(size: int, step: int) -> None:
    packed = gzip.compress(bytes(size))
    gunzip, out = Gunzip(LIMITS), 0

    try:
        for start in range(0, len(packed), step):
            out += sum(map(len, gunzip.feed(packed[start : start + step])))
        out += sum(map(len, gunzip.finish()))
    except ResultTooLarge:
        assert out <= LIMITS.max_bytes
    else:
        assert out == size
        assert out <= max(LIMITS.ratio_free_bytes, LIMITS.max_ratio * len(packed))


def test_a_bomb_is_stopped_early_and_in_small_pieces() -> None:
    bomb = gzip.compress(bytes(50 * 1024 * 1024))
    gunzip = Gunzip(UnpackLimits(ratio_free_bytes=1024 * 1024))
    sizes = map(len, gunzip.feed(bomb))

    with pytest.raises(ResultTooLarge, match="200 times"):
        assert max(sizes) <= 256 * 1024

    assert gunzip.bytes_out < 11 * 1024 * 1024


@given(st.integers(0, 200))
def test_a_cut_off_file_is_never_a_short_result(keep: int) -> None:
    packed = gzip.compress(b"a,b\n1,2\n" * 50)
    cut = packed[: min(keep, len(packed) - 1)]

    with pytest.raises(ResultUnavailable, match="end mark"):
        unpack(cut)


@given(st.binary(min_size=1, max_size=200))
def test_what_is_not_gzip_is_malformed_or_cut(data: bytes) -> None:
    try:
        unpack(data)
    except (ResultMalformed, ResultUnavailable):
        return
    assert gzip.decompress(data) is not None
