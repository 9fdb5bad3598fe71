"""A load may begin while its parts arrive, if it will hardly have to wait for them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from services.downloader.following import followed_by, keeps_up
from services.downloader.part import SpooledPart
from shared.db.results.order import LoadedResult, NotWhole, Part
from shared.domain.errors import DatabaseUnavailable, ResultUnavailable, StaleTransition

Arrived = Callable[[], Awaitable[None]]

MB = 1_000_000
LOADED = LoadedResult(uuid4(), "x1", 1, 2, 3, replaced_characters=False)


class Parts:
    """Parts on the disk of which some bytes are there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: list[SpooledPart] = []

    def __call__(self, there: int, announced: int | None, *, memory_bytes: int = 1) -> SpooledPart:
        part = SpooledPart(memory_bytes, self.folder)
        self.all.append(part)
        part.announced = announced
        part.append(b"x" * there)
        part.since += 1000  # came in no time, however slow this machine is
        return part


@pytest.fixture
def arriving(tmp_path: Path) -> Iterator[Parts]:
    parts = Parts(tmp_path)
    yield parts
    for part in parts.all:
        part.close()


async def read_to_the_end(parts: Sequence[Part], arrived: Arrived) -> LoadedResult:
    """As a load does: reads what is there, waits for the rest, then for the last word."""
    for part in parts:
        while not part.is_whole:
            await part.more_than(part.size)
    await arrived()
    return LOADED


@pytest.mark.parametrize(
    ("announced", "there", "seconds", "begins"),
    [
        (200 * MB, 10 * MB, 0.1, True),  # 100 MB/s: the rest in 1.9 s, COPY takes at least 2
        (200 * MB, 10 * MB, 0.5, False),
        (200 * MB, 150 * MB, 6.0, True),
        (200 * MB, 100 * MB, 6.0, False),
        (5 * MB, 6 * MB, 0.1, False),  # more than announced: packed
        (None, 10 * MB, 0.1, False),
    ],
)
async def test_it_begins_when_the_rest_comes_faster_than_any_copy(
    arriving: Parts, announced: int | None, there: int, seconds: float, begins: bool
) -> None:
    part = arriving(2, announced)
    part.size = there

    assert keeps_up([part], part.since + seconds) is begins


async def test_it_does_not_begin_before_every_part_is_on_the_disk(arriving: Parts) -> None:
    there = arriving(99, 100)
    small = arriving(99, 100, memory_bytes=100)

    assert not keeps_up([there, small], there.since)
    small.complete()
    assert keeps_up([there, small], there.since)


async def test_it_loads_while_the_rest_arrives_but_stays_only_when_all_is_known(
    arriving: Parts,
) -> None:
    part, begun = arriving(99, 100), asyncio.Event()
    seen = []

    async def load(parts: Sequence[Part], announced: int, arrived: Arrived) -> LoadedResult:
        seen.append(announced)
        begun.set()
        loaded = await read_to_the_end(parts, arrived)
        seen.append(parts[0].size)
        return loaded

    async with followed_by(load) as following:
        following.look([part])
        await begun.wait()
        assert seen == [100]
        part.append(b"x")
        part.complete()
        assert await following.loaded() is LOADED

    assert seen == [100, 100]


async def test_a_source_that_becomes_slow_is_not_waited_for(arriving: Parts) -> None:
    part = arriving(99, 100)

    async def load(parts: Sequence[Part], _announced: int, arrived: Arrived) -> LoadedResult:
        return await read_to_the_end(parts, arrived)

    async with followed_by(load, patience=0.01) as following:
        following.look([part])
        assert await following.loaded() is None


async def test_a_part_that_breaks_off_ends_the_load_alone(arriving: Parts) -> None:
    part, begun = arriving(99, 100), asyncio.Event()

    async def load(parts: Sequence[Part], _announced: int, arrived: Arrived) -> LoadedResult:
        begun.set()
        return await read_to_the_end(parts, arrived)

    async with followed_by(load) as following:
        following.look([part])
        await begun.wait()
        part.close()
        assert await following.loaded() is None


@pytest.mark.parametrize("error", [NotWhole("packed"), DatabaseUnavailable("away")])
async def test_what_it_stumbles_over_is_told_by_the_load_of_the_whole(
    arriving: Parts, error: Exception
) -> None:
    async def load(_parts: Sequence[Part], _announced: int, _arrived: Arrived) -> LoadedResult:
        raise error

    async with followed_by(load) as following:
        following.look([arriving(99, 100)])
        assert await following.loaded() is None


@pytest.mark.parametrize("error", [StaleTransition("lost"), KeyError("bug")])
async def test_a_lost_claim_or_a_bug_stops_the_fetching(arriving: Parts, error: Exception) -> None:
    async def load(_parts: Sequence[Part], _announced: int, _arrived: Arrived) -> LoadedResult:
        raise error

    async def fetch_for_ever() -> None:
        async with followed_by(load) as following:
            following.look([arriving(99, 100)])
            await asyncio.Event().wait()

    with pytest.raises(type(error)):
        await fetch_for_ever()


@pytest.mark.parametrize("fails", [True, False])
async def test_nothing_of_it_goes_on_afterwards(arriving: Parts, fails: bool) -> None:
    part, begun, ends = arriving(99, 100), asyncio.Event(), list[str]()

    async def load(parts: Sequence[Part], _announced: int, arrived: Arrived) -> LoadedResult:
        begun.set()
        try:
            return await read_to_the_end(parts, arrived)
        finally:
            ends.append("ended")

    async def fetch() -> None:
        async with followed_by(load) as following:
            following.look([part])
            await begun.wait()
            if fails:
                raise ResultUnavailable("The result link expired.")
            await following.give_up()
            assert ends == ["ended"]

    if fails:
        with pytest.raises(ResultUnavailable):
            await fetch()
    else:
        await fetch()
    assert ends == ["ended"]
