"""Room for those between permit and answer: shrinks when permits expire, grows when none does."""

import asyncio

import pytest

from services.submitter.send_window import SendWindow
from shared.domain.errors import AmcUnavailable, PermitExpired


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def take_turn(window: SendWindow, error: Exception | None = None) -> None:
    async with window.turn():
        if error is not None:
            raise error


async def test_no_more_than_there_is_room_for_are_inside() -> None:
    window, leave = SendWindow(room=2), asyncio.Event()
    inside: list[int] = []

    async def stay(number: int) -> None:
        async with window.turn():
            inside.append(number)
            await leave.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(stay(number))
        await asyncio.sleep(0)
        assert inside == [0, 1]
        leave.set()

    assert inside == [0, 1, 2, 3, 4]


async def _inside_after_some_of_four_left(gone: int) -> list[int]:
    """Four inside, three in line; who has been inside once that many left."""
    window, leave = SendWindow(room=4), [asyncio.Event() for _ in range(7)]
    inside: list[int] = []

    async def stay(number: int) -> None:
        async with window.turn():
            inside.append(number)
            await leave[number].wait()

    async with asyncio.TaskGroup() as group:
        for number in range(7):
            group.create_task(stay(number))
        await asyncio.sleep(0)
        for number in range(gone):
            leave[number].set()
        for _ in range(5):
            await asyncio.sleep(0)
        found = list(inside)
        for each in leave:
            each.set()
    assert inside == list(range(7))
    return found


async def test_who_waits_is_let_in_with_others() -> None:
    assert await _inside_after_some_of_four_left(1) == [0, 1, 2, 3]
    assert await _inside_after_some_of_four_left(2) == [0, 1, 2, 3, 4, 5]


async def test_a_free_place_is_not_kept_for_others_to_leave() -> None:
    window, leave = SendWindow(room=4), asyncio.Event()

    async def stay() -> None:
        async with window.turn():
            await leave.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(stay())
        quick, last = (group.create_task(take_turn(window)) for _ in range(2))
        await asyncio.wait_for(asyncio.gather(quick, last), 1)
        leave.set()


async def test_a_full_round_in_time_makes_room_for_one_more() -> None:
    window = SendWindow(room=4)

    for _ in range(5):
        await take_turn(window)

    assert int(window.room) == 5


async def test_a_permit_that_expired_leaves_less_room_and_never_none() -> None:
    clock = Clock()
    window = SendWindow(room=10, clock=clock)

    for _ in range(20):
        clock.now += 1
        with pytest.raises(PermitExpired):
            await take_turn(window, PermitExpired("late"))

    assert window.room == 1
    await take_turn(window)


async def test_permits_that_expire_together_count_once() -> None:
    window = SendWindow(room=10, clock=Clock())

    for _ in range(5):
        with pytest.raises(PermitExpired):
            await take_turn(window, PermitExpired("late"))

    assert window.room == 7


async def test_other_errors_say_nothing_about_room() -> None:
    window = SendWindow(room=10)

    with pytest.raises(AmcUnavailable):
        await take_turn(window, AmcUnavailable("away"))

    assert window.room == 10


async def test_who_is_called_away_in_line_takes_no_place() -> None:
    window, leave = SendWindow(room=1), asyncio.Event()

    async def stay() -> None:
        async with window.turn():
            await leave.wait()

    first, second, third = (asyncio.ensure_future(stay()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    leave.set()
    await asyncio.gather(first, third)

    await asyncio.wait_for(take_turn(window), 1)
