"""Turns in the rate budget, on a clock that moves only when somebody sleeps."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.amc.permits import MAX_AGE_SECONDS, CallClass
from shared.domain.errors import DatabaseUnavailable, PermitExpired, TurnFarOff
from shared.domain.ids import InstanceKey
from shared.domain.turns import Turn
from shared.runtime.permits import BudgetPermits

ONE, TWO = InstanceKey(1), InstanceKey(2)


class Clock:
    """Monotonic seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


@dataclass
class FakeBudget:
    """Answers in the order given, each after `delay` seconds; then grants at once.

    A wait counts from the moment of asking, and is known to within `unsure` seconds."""

    clock: Clock
    answers: list[tuple[bool, float]] = field(default_factory=list)
    delay: float = 0.0
    unsure: float = 0.0
    asked: list[tuple[InstanceKey, timedelta]] = field(default_factory=list)
    asking: dict[tuple[InstanceKey, timedelta], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    most_at_once: int = 0

    async def take(self, instance: InstanceKey, *, ahead: timedelta) -> Turn:
        asked_at = self.clock()
        self.asked.append((instance, ahead))
        self.asking[instance, ahead] += 1
        self.most_at_once = max(self.most_at_once, self.asking[instance, ahead])
        await asyncio.sleep(0)
        self.clock.seconds += self.delay
        self.asking[instance, ahead] -= 1
        granted, wait = self.answers.pop(0) if self.answers else (True, 0.0)
        return Turn(granted, asked_at + wait - self.unsure / 2, asked_at + wait + self.unsure / 2)


def permits_of(budget: FakeBudget, *, is_shared: bool = False) -> BudgetPermits:
    return BudgetPermits(budget, budget.clock, budget.clock.sleep, is_shared=is_shared)


@given(
    refusals=st.lists(st.floats(0, 5), max_size=5),
    wait=st.floats(0, 60),
    delay=st.floats(0, 0.2),
    unsure=st.floats(0, 0.05),
    late=st.floats(0, 0.2),
)
def test_a_permit_is_used_neither_before_its_turn_nor_when_it_is_too_old(
    refusals: list[float], wait: float, delay: float, unsure: float, late: float
) -> None:
    async def use() -> tuple[float, float, bool]:
        clock = Clock()
        answers = [*((False, seconds) for seconds in refusals), (True, wait)]
        budget = FakeBudget(clock, answers, delay, unsure)
        permit = await permits_of(budget).take(ONE, CallClass.POLL)
        booked_at = clock.seconds - delay
        await permit.wait()
        clock.seconds += late
        try:
            permit.check()
        except PermitExpired:
            return booked_at, clock.seconds, False
        return booked_at, clock.seconds, True

    booked_at, sent_at, is_used = asyncio.run(use())

    # The turn may have begun anywhere between the two.
    earliest, latest = booked_at + wait - unsure / 2, booked_at + wait + unsure / 2
    assert sent_at >= latest - 1e-6
    age = sent_at - earliest
    if age > MAX_AGE_SECONDS + 1e-6:
        assert not is_used
    if age < MAX_AGE_SECONDS - 1e-6:
        assert is_used


@given(lates=st.lists(st.floats(0, 0.2), min_size=1, max_size=12), wait=st.floats(0, 0.128))
def test_who_misses_its_turn_takes_another_but_leaves_soon_or_never(
    lates: list[float], wait: float
) -> None:
    class Sluggish(Clock):
        """Wakes everybody late."""

        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds + (lates.pop(0) if lates else 0.0))

    async def use() -> tuple[float, float | None]:
        clock = Sluggish()
        budget = FakeBudget(clock, [(True, wait + 0.001)] * (len(lates) + 1))
        permit = await permits_of(budget).take(ONE, CallClass.SUBMIT)
        first = permit.ready_at_monotonic
        await permit.wait()
        try:
            permit.check()
        except PermitExpired:
            return first, None
        assert clock.seconds >= permit.ready_at_monotonic
        assert clock.seconds <= permit.ready_at_monotonic + MAX_AGE_SECONDS
        return first, clock.seconds

    misses = next((n for n, late in enumerate(lates) if late < MAX_AGE_SECONDS), len(lates))
    soon = sum(lates[:misses]) + (wait + 0.001) * misses < 0.5
    first, sent_at = asyncio.run(use())

    assert sent_at is not None or not soon
    assert sent_at is None or sent_at <= first + 0.5 + MAX_AGE_SECONDS + 1e-6


async def test_a_turn_that_was_missed_is_not_booked_again_for_a_time_too_far_off() -> None:
    clock = Clock()
    permits = permits_of(FakeBudget(clock, [(True, 0.0), (True, 30.0)]))
    permit = await permits.take(ONE, CallClass.POLL)
    clock.seconds += 0.1

    await permit.wait()

    assert clock.seconds < 1
    with pytest.raises(PermitExpired):
        permit.check()


async def test_who_was_held_up_after_its_turn_came_waits_again_but_no_longer_than_before() -> None:
    clock = Clock()
    permit = await permits_of(FakeBudget(clock)).take(ONE, CallClass.SUBMIT)
    await permit.wait()

    clock.seconds += 0.3
    await permit.wait()
    permit.check()
    clock.seconds += 0.3
    await permit.wait()

    with pytest.raises(PermitExpired):
        permit.check()


async def test_an_answer_long_on_its_way_takes_nothing_from_a_turn_still_to_come() -> None:
    clock = Clock()
    permits = permits_of(FakeBudget(clock, [(True, 0.100)], delay=0.080))

    permit = await permits.take(ONE, CallClass.SUBMIT)
    await permit.wait()

    assert permit.ready_at_monotonic == pytest.approx(clock.seconds)
    assert permit.expires_at_monotonic - clock.seconds == pytest.approx(MAX_AGE_SECONDS)


@given(st.lists(st.floats(0, 1.9), max_size=8))
def test_who_is_refused_asks_again_when_told_and_hardly_later(waits: list[float]) -> None:
    async def ask() -> float:
        clock = Clock()
        budget = FakeBudget(clock, [(False, seconds) for seconds in waits])
        await permits_of(budget).take(ONE, CallClass.SUBMIT)
        return clock.seconds

    waited = asyncio.run(ask())

    assert sum(waits) - 1e-6 <= waited <= sum(waits) + 0.010 * len(waits) + 1e-6


async def test_a_submission_is_sent_back_when_its_turn_is_far_off() -> None:
    clock = Clock()
    permits = permits_of(FakeBudget(clock, [(False, 30.0)]))

    with pytest.raises(TurnFarOff) as sent_back:
        await permits.take(ONE, CallClass.SUBMIT)

    wait = sent_back.value.wait
    assert clock.seconds == 0
    assert wait is not None
    assert 30 <= wait.total_seconds() <= 31


async def test_a_look_waits_for_a_turn_however_far_off_it_is() -> None:
    clock = Clock()
    permits = permits_of(FakeBudget(clock, [(False, 30.0)]))

    await permits.take(ONE, CallClass.POLL)

    assert clock.seconds >= 30


async def test_one_asks_at_a_time_for_each_instance_and_class() -> None:
    budget = FakeBudget(Clock(), [(False, 0.1)] * 10)
    permits = permits_of(budget)

    await asyncio.gather(*(permits.take(ONE, CallClass.SUBMIT) for _ in range(20)))

    assert budget.most_at_once == 1
    assert len(budget.asked) == 30


async def test_where_questions_travel_together_all_ask_at_once() -> None:
    budget = FakeBudget(Clock())
    permits = permits_of(budget, is_shared=True)

    await asyncio.gather(*(permits.take(ONE, CallClass.SUBMIT) for _ in range(20)))

    assert (budget.most_at_once, len(budget.asked)) == (20, 20)


async def test_who_was_refused_asks_again_alone_and_newcomers_stand_behind() -> None:
    budget = FakeBudget(Clock(), [(True, 0.0)] * 2 + [(False, 0.1)] * 6)
    permits = permits_of(budget, is_shared=True)
    first = asyncio.gather(*(permits.take(ONE, CallClass.SUBMIT) for _ in range(8)))
    for _ in range(2):
        await asyncio.sleep(0)
    assert not budget.answers
    budget.most_at_once = 0

    await asyncio.gather(first, *(permits.take(ONE, CallClass.SUBMIT) for _ in range(4)))

    assert (budget.most_at_once, len(budget.asked)) == (1, 8 + 6 + 4)


async def test_instances_and_classes_do_not_wait_for_each_other() -> None:
    class Stuck(FakeBudget):
        """Never answers submissions to the first instance."""

        async def take(self, instance: InstanceKey, *, ahead: timedelta) -> Turn:
            if instance == ONE and ahead < timedelta(seconds=1):
                await asyncio.Event().wait()
            return Turn(True, 0.0, 0.0)

    permits = permits_of(Stuck(Clock()))
    stuck = asyncio.ensure_future(permits.take(ONE, CallClass.SUBMIT))

    async with asyncio.timeout(1):
        await permits.take(ONE, CallClass.POLL)
        await permits.take(TWO, CallClass.SUBMIT)

    assert not stuck.done()
    stuck.cancel()


async def test_submissions_book_hardly_ahead_and_looks_a_minute() -> None:
    budget = FakeBudget(Clock())
    permits = permits_of(budget)

    for call_class in CallClass:
        await permits.take(ONE, call_class)

    ahead = dict(zip(CallClass, (asked for _, asked in budget.asked), strict=True))
    assert ahead[CallClass.SUBMIT] < timedelta(milliseconds=150)
    assert ahead[CallClass.POLL] == ahead[CallClass.DOWNLOAD] == timedelta(seconds=60)


async def test_who_gives_up_waiting_lets_the_next_one_ask() -> None:
    budget = FakeBudget(Clock(), [(False, 1.0)] * 1000)
    permits = permits_of(budget)
    first = asyncio.ensure_future(permits.take(ONE, CallClass.SUBMIT))
    await asyncio.sleep(0)

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    budget.answers.clear()

    async with asyncio.timeout(1):
        await permits.take(ONE, CallClass.SUBMIT)


async def test_a_database_that_is_away_is_told_to_who_asked() -> None:
    class Away(FakeBudget):
        """A budget that cannot be asked."""

        async def take(self, instance: InstanceKey, *, ahead: timedelta) -> Turn:
            raise DatabaseUnavailable("away")

    with pytest.raises(DatabaseUnavailable):
        await permits_of(Away(Clock())).take(ONE, CallClass.POLL)
