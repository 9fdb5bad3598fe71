"""Turns of many instances in one question."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from services.submitter.gathered_budget import GatheredBudget
from shared.domain.ids import InstanceKey
from shared.domain.turns import Turn

STEP = timedelta(milliseconds=128)
FAR = timedelta(seconds=60)


class Rows:
    """Answers with the instance, so that one can tell whose answer it is."""

    def __init__(self) -> None:
        self.questions: list[tuple[timedelta, list[int]]] = []

    async def take_all(self, instances: Sequence[InstanceKey], *, ahead: timedelta) -> list[Turn]:
        self.questions.append((ahead, list(instances)))
        return [Turn(True, float(instance), float(instance)) for instance in instances]


async def ask(rows: Rows, *asked: tuple[int, timedelta]) -> list[Turn]:
    budget, stop = GatheredBudget.over(rows), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(budget.run(stop))
        answers = await asyncio.gather(
            *(budget.take(InstanceKey(instance), ahead=ahead) for instance, ahead in asked)
        )
        stop.set()
    return answers


async def test_those_who_ask_together_are_answered_together_each_with_its_own() -> None:
    rows = Rows()

    answers = await ask(rows, (3, STEP), (1, STEP), (2, STEP))

    assert [answer.latest for answer in answers] == [3.0, 1.0, 2.0]
    assert rows.questions == [(STEP, [3, 1, 2])]


async def test_nobody_books_farther_ahead_than_it_asked_to() -> None:
    rows = Rows()

    await ask(rows, (1, STEP), (2, FAR), (3, STEP))

    assert rows.questions == [(STEP, [1]), (FAR, [2]), (STEP, [3])]
