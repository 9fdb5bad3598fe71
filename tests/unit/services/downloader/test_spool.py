"""Parts are held on this machine, counted, and gone afterwards."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from services.downloader.part import SpooledPart
from services.downloader.spool import DiskSpool, Source
from shared.amc.results import ResultPart
from shared.db.results.order import NotWhole
from shared.domain.errors import ResultTooLarge, ResultUnavailable, SpoolFull


def part_of(*chunks: bytes, length: int | None = None) -> Source:
    async def stream() -> AsyncGenerator[bytes, None]:
        for chunk in chunks:
            yield chunk

    @asynccontextmanager
    async def opened() -> AsyncIterator[ResultPart]:
        yield ResultPart(stream(), length)

    return opened


def expired() -> AbstractAsyncContextManager[ResultPart]:
    raise ResultUnavailable("The result link expired.")


@pytest.fixture
def spool(tmp_path: Path) -> DiskSpool:
    return DiskSpool(tmp_path, memory_bytes=1000, reserve_bytes=0)


async def test_parts_come_back_whole_counted_and_in_order(spool: DiskSpool) -> None:
    big = os.urandom(5_000_000)
    sources = {"b": part_of(b"x", b"y"), "a": part_of(big[:3_000_000], big[3_000_000:])}
    async with spool.session() as shelf:
        parts = await shelf.fill(sources)

        assert [part.size for part in parts] == [2, 5_000_000]
        assert parts[1].sha256 == hashlib.sha256(big).digest()
        assert [part.open().read() for part in parts] == [b"xy", big]
        assert parts[1].open().read(3) == big[:3]


@pytest.mark.parametrize(
    ("chunks", "is_text"),
    [
        (["Été".encode()[:1], "Été".encode()[1:]], True),
        (["Été".encode()[:1]], False),
        ([b"a,\xff\xfe", b"b"], False),
        ([b"a", b"\x00"], False),
        ([], True),
    ],
)
async def test_a_part_knows_whether_it_is_text(
    spool: DiskSpool, chunks: list[bytes], is_text: bool
) -> None:
    async with spool.session() as shelf:
        (part,) = await shelf.fill({"a": part_of(*chunks)})

        assert part.is_text is is_text


async def test_nothing_is_seen_on_the_disk(spool: DiskSpool, tmp_path: Path) -> None:
    async with spool.session() as shelf:
        await shelf.fill({"a": part_of(b"x" * 2_000_000)})

        assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_finished_parts_stay_when_another_link_expired(spool: DiskSpool) -> None:
    async with spool.session() as shelf:
        await shelf.fill({"a": part_of(b"first")})
        with pytest.raises(ResultUnavailable):
            await shelf.fill({"a": part_of(b"again"), "b": expired})

        parts = await shelf.fill({"a": expired, "b": part_of(b"second")})

        assert [part.open().read() for part in parts] == [b"first", b"second"]


async def test_parts_are_fetched_side_by_side_but_not_all(spool: DiskSpool) -> None:
    running, most, enough = 0, 0, asyncio.Event()

    @asynccontextmanager
    async def counted() -> AsyncIterator[ResultPart]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == spool.parallel:
            enough.set()
        await enough.wait()
        async with part_of(b"x")() as opened:
            yield opened
        running -= 1

    async with spool.session() as shelf:
        await shelf.fill({str(number): counted for number in range(7)})

    assert most == spool.parallel


async def test_what_is_on_the_disk_can_be_read_while_the_rest_arrives(spool: DiskSpool) -> None:
    first, rest = os.urandom(2_000_000), os.urandom(1_500_000)
    seen, go_on = asyncio.Event(), asyncio.Event()
    found: list[bytes] = []

    async def stream() -> AsyncGenerator[bytes, None]:
        yield first
        yield rest[:1_200_000]
        await go_on.wait()
        yield rest[1_200_000:]

    @asynccontextmanager
    async def opened() -> AsyncIterator[ResultPart]:
        yield ResultPart(stream(), 3_500_000)

    def look(parts: Sequence[SpooledPart]) -> None:
        found.append(parts[0].open().read(2_000_000))
        seen.set()

    async with spool.session() as shelf, asyncio.TaskGroup() as group:
        filling = group.create_task(shelf.fill({"a": opened}, look))
        await seen.wait()
        assert not filling.done()
        go_on.set()
        (part,) = await filling

        assert found[0] == first
        assert part.is_whole
        assert part.open().read() == first + rest


async def test_a_reading_goes_on_when_the_part_is_closed(tmp_path: Path) -> None:
    part = SpooledPart(memory_bytes=1, folder=tmp_path)
    part.append(b"first second")
    with part.open() as reading:
        assert reading.read(6) == b"first "
        part.close()
        assert reading.seek(0) == 0
        assert reading.read() == b"first second"


async def test_nobody_is_told_before_every_part_has_begun(tmp_path: Path) -> None:
    spool, told = DiskSpool(tmp_path, parallel=1, memory_bytes=1000, reserve_bytes=0), list[int]()
    big = b"x" * 1_100_000
    async with spool.session() as shelf:
        await shelf.fill(
            {name: part_of(big, big) for name in "ab"}, lambda parts: told.append(len(parts))
        )

    assert told == [2]


async def test_a_reader_is_not_left_with_a_part_that_broke_off(spool: DiskSpool) -> None:
    told: list[SpooledPart] = []

    async def stream() -> AsyncGenerator[bytes, None]:
        for _ in range(3):
            yield b"x" * 1_100_000
        raise ResultUnavailable("The download broke off.")

    @asynccontextmanager
    async def opened() -> AsyncIterator[ResultPart]:
        yield ResultPart(stream(), 10_000_000)

    async with spool.session() as shelf:
        with pytest.raises(ResultUnavailable):
            await shelf.fill({"a": opened}, told.extend)
        with pytest.raises(NotWhole):
            await told[0].more_than(told[0].size)
        with pytest.raises(NotWhole):
            told[0].open()


async def test_a_part_that_does_not_fit_is_refused_before_it_is_written(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path, memory_bytes=1000, reserve_bytes=0)
    async with spool.session() as shelf:
        with pytest.raises(ResultTooLarge, match=r"MiB free; this part .* needs"):
            await shelf.fill({"a": part_of(length=10**18)})


async def test_the_reserve_is_left_to_others(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path, reserve_bytes=10**18)
    async with spool.session() as shelf:
        with pytest.raises(SpoolFull, match="kept in reserve"):
            await shelf.fill({"a": part_of(b"x")})


async def test_a_disk_without_room_is_waited_for() -> None:
    """/proc is a file system that has none."""
    async with DiskSpool(Path("/proc"), reserve_bytes=1).session() as shelf:
        with pytest.raises(SpoolFull, match="0 MiB free"):
            await shelf.fill({"a": part_of(b"x")})


async def test_a_bug_in_one_part_is_not_hidden_by_an_expired_link(spool: DiskSpool) -> None:
    def broken() -> AbstractAsyncContextManager[ResultPart]:
        raise KeyError("bug")

    async with spool.session() as shelf:
        with pytest.raises(KeyError):
            await shelf.fill({"a": partial(expired), "b": broken})
