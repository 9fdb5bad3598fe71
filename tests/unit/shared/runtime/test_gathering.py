"""Askers share a step without sharing each other's fate."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from shared.domain.errors import DatabaseUnavailable, StaleTransition
from shared.runtime.gathering import Gathering

HOUR = 3600.0


@dataclass
class Steps:
    """Doubles numbers; a step waits while `open` is not set, and fails for the numbers told."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    refused: dict[int, Exception] = field(default_factory=dict)
    taken: list[list[int]] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, asked: Sequence[int]) -> Sequence[int]:
        self.taken.append(list(asked))
        self.begun.set()
        await self.open.wait()
        for number in asked:
            if number in self.refused:
                raise self.refused[number]
        return [2 * number for number in asked]


@asynccontextmanager
async def running(steps: Steps, most: int = 100) -> AsyncIterator[Gathering[int, int]]:
    gathering, stop = Gathering(steps, most), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(gathering.run(stop))
        yield gathering
        stop.set()


async def ask_behind_one(
    steps: Steps, gathering: Gathering[int, int], numbers: Sequence[int]
) -> list[int | BaseException]:
    """A first one is being served alone while the others come; how all of them ended."""
    first = asyncio.ensure_future(gathering.ask(0))
    await steps.begun.wait()
    others = [asyncio.ensure_future(gathering.ask(number)) for number in numbers]
    await asyncio.sleep(0)
    steps.open.set()
    ended = await asyncio.gather(first, *others, return_exceptions=True)
    return ended[1:]


async def test_who_comes_during_a_step_shares_the_next_one():
    steps = Steps()
    async with running(steps) as gathering:
        assert await ask_behind_one(steps, gathering, [1, 2, 3]) == [2, 4, 6]

    assert steps.taken == [[0], [1, 2, 3]]


async def test_a_step_takes_no_more_than_it_may():
    steps = Steps()
    async with running(steps, most=2) as gathering:
        assert await ask_behind_one(steps, gathering, [1, 2, 3]) == [2, 4, 6]

    assert steps.taken == [[0], [1, 2], [3]]


@pytest.mark.parametrize("error", [StaleTransition("taken"), ValueError("a bug")])
async def test_a_bad_one_spoils_nothing_for_its_neighbours(error: Exception):
    steps = Steps(refused={2: error})
    async with running(steps) as gathering:
        ended = await ask_behind_one(steps, gathering, [1, 2, 3])

    assert ended == [2, error, 6]


async def test_nothing_is_repeated_when_it_is_unknown_what_was_done():
    away = DatabaseUnavailable("away")
    steps = Steps(refused={2: away})
    async with running(steps) as gathering:
        ended = await ask_behind_one(steps, gathering, [1, 2, 3])

    assert ended == [away, away, away]
    assert steps.taken == [[0], [1, 2, 3]]


async def test_after_an_error_the_next_ones_are_served():
    steps = Steps(refused={1: ValueError("a bug")})
    async with running(steps) as gathering:
        await ask_behind_one(steps, gathering, [1])

        assert await gathering.ask(5) == 10


async def test_who_has_left_is_not_served():
    steps = Steps()
    async with running(steps) as gathering:
        first = asyncio.ensure_future(gathering.ask(0))
        await steps.begun.wait()
        gone = asyncio.ensure_future(gathering.ask(1))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        steps.open.set()

        assert await first == 0
        assert await gathering.ask(2) == 4

    assert steps.taken == [[0], [2]]


async def test_who_is_in_line_at_the_stop_is_still_served():
    steps, stop = Steps(), asyncio.Event()
    gathering = Gathering(steps)
    serving = asyncio.ensure_future(gathering.run(stop))
    first = asyncio.ensure_future(gathering.ask(0))
    await steps.begun.wait()
    second = asyncio.ensure_future(gathering.ask(1))
    await asyncio.sleep(0)
    stop.set()
    steps.open.set()

    assert await asyncio.gather(first, second) == [0, 2]
    await serving


async def test_a_step_of_several_waits_until_enough_have_come():
    steps = Steps()
    steps.open.set()
    stop = asyncio.Event()
    gathering = Gathering(steps, linger=HOUR, enough=3)
    async with asyncio.TaskGroup() as group:
        group.create_task(gathering.run(stop))
        two = [asyncio.ensure_future(gathering.ask(number)) for number in (1, 2)]
        await turns()
        assert steps.taken == []

        assert await gathering.ask(3) == 6
        assert await asyncio.gather(*two) == [2, 4]
        stop.set()

    assert steps.taken == [[1, 2, 3]]


async def test_who_comes_alone_waits_for_nobody():
    steps = Steps()
    steps.open.set()
    stop = asyncio.Event()
    gathering = Gathering(steps, linger=HOUR, enough=3)
    async with asyncio.TaskGroup() as group:
        group.create_task(gathering.run(stop))
        assert await gathering.ask(1) == 2
        assert await gathering.ask(2) == 4
        stop.set()

    assert steps.taken == [[1], [2]]


async def test_company_is_not_waited_for_any_longer_than_told():
    steps = Steps()
    steps.open.set()
    stop = asyncio.Event()
    gathering = Gathering(steps, linger=0.001, enough=3)
    async with asyncio.TaskGroup() as group:
        group.create_task(gathering.run(stop))
        assert await asyncio.gather(gathering.ask(1), gathering.ask(2)) == [2, 4]
        stop.set()

    assert steps.taken == [[1, 2]]


async def turns() -> None:
    """Long enough for all that needs no more than turns of the loop."""
    for _ in range(20):
        await asyncio.sleep(0)
