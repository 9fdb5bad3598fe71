"""A load may begin while its parts arrive; nothing of it is seen before they may stay."""

import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable
from typing import BinaryIO

import pytest

from shared.db.results.load import ResultLoader
from shared.db.results.order import LoadedResult, LoadOrder, NotWhole
from tests.integration.results.world import World

HEADER = b"name,clicks\n"
ROWS = b"".join(b"campaign %d,%d\n" % (number, number) for number in range(20_000))


class ArrivingPart:
    """A part of which the test says when more is there, or that there will be no more."""

    def __init__(self, data: bytes, *, there: int) -> None:
        self.data = data
        self.size = there
        self.sha256 = hashlib.sha256(data).digest()
        self.is_whole = False
        self.is_broken = False
        self.waited_for = asyncio.Event()
        self._changed = asyncio.Condition()

    def open(self) -> BinaryIO:
        return _Grown(self)

    async def more_than(self, size: int) -> None:
        self.waited_for.set()
        async with self._changed:
            await self._changed.wait_for(
                lambda: self.size > size or self.is_whole or self.is_broken
            )
        if self.is_broken:
            raise NotWhole("The part broke off.")

    async def arrive(self, there: int) -> None:
        async with self._changed:
            self.size, self.is_whole = there, there == len(self.data)
            self._changed.notify_all()

    async def break_off(self) -> None:
        async with self._changed:
            self.is_broken = True
            self._changed.notify_all()


class Following:
    """A load of one arriving part, and the word that its rows may stay."""

    def __init__(self, world: World, part: ArrivingPart, *, own_table_bytes: int) -> None:
        self.world, self.part = world, part
        self.loader = ResultLoader(world.database, own_table_bytes=own_table_bytes)
        self.rows_are_in, self.may_stay = asyncio.Event(), asyncio.Event()

    async def run(self, *, announced: int | None = None) -> LoadedResult:
        claim = await self.world.claim(await self.world.workflow())
        size = len(self.part.data) if announced is None else announced
        return await self.loader.load(
            LoadOrder(claim, [self.part], announced_bytes=size, arrived=self._arrived)
        )

    async def _arrived(self) -> None:
        self.rows_are_in.set()
        await self.may_stay.wait()


async def nothing_is_stored(world: World) -> bool:
    states = await world.database.fetch("select distinct state from workflow_executions")
    stored = await world.database.fetchval("select count(*) from stored_results")
    return [row["state"] for row in states] == ["downloading"] and stored == 0


class _Grown(io.BytesIO):
    """Its readers see what came after they opened it."""

    def __init__(self, part: ArrivingPart) -> None:
        super().__init__(part.data)
        self._part = part

    def read(self, size: int | None = -1, /) -> bytes:
        left = self._part.size - self.tell()
        return super().read(left if size is None or size < 0 else min(size, left))


@pytest.mark.parametrize("own_table_bytes", [1, 10**9])
async def test_rows_are_read_while_the_rest_arrives(world: World, own_table_bytes: int) -> None:
    data = HEADER + ROWS + b"\n\n"
    part = ArrivingPart(data, there=50_000)
    following = Following(world, part, own_table_bytes=own_table_bytes)
    loading = asyncio.ensure_future(following.run())
    for there in (100_001, 100_001 + 4096, len(data)):
        await part.waited_for.wait()
        part.waited_for.clear()
        await part.arrive(there)
    await following.rows_are_in.wait()

    assert await nothing_is_stored(world)
    following.may_stay.set()
    loaded = await loading

    assert loaded.row_count == 20_000
    assert loaded.table_name.startswith("x") is (own_table_bytes == 1)
    rows = await world.rows(loaded)
    assert rows[:2] == [(1, "campaign 0", 0), (2, "campaign 1", 1)]
    assert [row[0] for row in rows] == list(range(1, 20_001))
    kept = await world.database.fetchrow("select size_bytes, sha256, row_count from result_parts")
    assert kept is not None
    assert tuple(kept) == (len(data), part.sha256, 20_000)


async def test_a_type_that_breaks_late_is_read_again_from_what_is_there(world: World) -> None:
    data = HEADER + ROWS + b"last,2.5\n"
    part = ArrivingPart(data, there=50_000)
    following = Following(world, part, own_table_bytes=1)
    following.may_stay.set()
    loading = asyncio.ensure_future(following.run())
    await part.waited_for.wait()
    await part.arrive(len(data))
    loaded = await loading

    assert loaded.row_count == 20_001
    assert loaded.broken_types == ("clicks",)


Ending = Callable[["Following", "asyncio.Future[LoadedResult]"], Awaitable[None]]


async def part_breaks_off(following: Following, _loading: object) -> None:
    await following.part.break_off()


async def reader_is_cancelled(_following: Following, loading: asyncio.Future[LoadedResult]) -> None:
    loading.cancel()


async def cancelled_with_all_rows_in(
    following: Following, loading: asyncio.Future[LoadedResult]
) -> None:
    await following.part.arrive(len(following.part.data))
    await following.rows_are_in.wait()
    loading.cancel()


@pytest.mark.parametrize("own_table_bytes", [1, 10**9])
@pytest.mark.parametrize("end", [part_breaks_off, reader_is_cancelled, cancelled_with_all_rows_in])
async def test_one_that_ends_early_leaves_nothing_and_no_session(
    world: World, end: Ending, own_table_bytes: int
) -> None:
    part = ArrivingPart(HEADER + ROWS, there=50_000)
    following = Following(world, part, own_table_bytes=own_table_bytes)
    loading = asyncio.ensure_future(following.run())
    await part.waited_for.wait()
    await end(following, loading)
    with pytest.raises((NotWhole, asyncio.CancelledError)):
        await loading

    assert await nothing_is_stored(world)
    assert await world.relations() == []
    loaded = await world.load(await world.workflow("another"), HEADER + ROWS)
    assert loaded.row_count == 20_000


async def test_parts_that_turn_out_big_do_not_stay_in_the_shared_table(world: World) -> None:
    part = ArrivingPart(HEADER + ROWS, there=50_000)
    following = Following(world, part, own_table_bytes=200_000)
    following.may_stay.set()
    loading = asyncio.ensure_future(following.run(announced=100_000))
    await part.waited_for.wait()
    await part.arrive(len(part.data))
    with pytest.raises(NotWhole, match="packed"):
        await loading

    assert await nothing_is_stored(world)
