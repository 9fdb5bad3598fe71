"""Work is done at most once for a key, whichever way twins race."""

from dataclasses import dataclass, field

import pytest
from pydantic import BaseModel

from shared.db.acceptance import RememberedRequest
from shared.domain.errors import StaleTransition
from shared.intake.errors import IdempotencyKeyReused
from shared.intake.idempotency import Once, Remember, Repeatable, content_hash


class Answer(BaseModel):
    number: int


class Body(BaseModel):
    a: str = ""
    b: dict[str, str] = {}


@dataclass
class FakeKeys:
    stored: dict[tuple[str, str, str], RememberedRequest] = field(default_factory=dict)

    async def find(self, owner: str, scope: str, key: str) -> RememberedRequest | None:
        return self.stored.get((owner, scope, key))

    def store(self, request: RememberedRequest | None) -> None:
        if request is not None:
            self.stored[request.owner, request.scope, request.key] = request


ASKED = Repeatable("owner", "scope", "key", b"hash")


async def test_the_second_time_the_first_answer_comes_without_work():
    keys, calls = FakeKeys(), []

    async def work(remember: Remember[Answer]) -> Answer:
        calls.append(1)
        answer = Answer(number=len(calls))
        keys.store(remember(answer))
        return answer

    answers = [await Once(keys).answer(ASKED, Answer, work) for _ in range(2)]

    assert [answer.number for answer in answers] == [1, 1]
    assert len(calls) == 1


async def test_without_a_key_work_is_done_each_time():
    calls: list[object] = []

    async def work(remember: Remember[Answer]) -> Answer:
        calls.append(remember(Answer(number=0)))
        return Answer(number=len(calls))

    for _ in range(2):
        await Once(FakeKeys()).answer(None, Answer, work)

    assert calls == [None, None]


async def test_the_loser_of_a_race_answers_as_the_winner_did():
    keys = FakeKeys()

    async def lose(_remember: Remember[Answer]) -> Answer:
        keys.store(ASKED.remember(Answer(number=7)))
        raise StaleTransition

    assert (await Once(keys).answer(ASKED, Answer, lose)).number == 7


async def test_a_conflict_that_is_not_about_the_key_stays_one():
    async def fail(_remember: Remember[Answer]) -> Answer:
        raise StaleTransition

    with pytest.raises(StaleTransition):
        await Once(FakeKeys()).answer(ASKED, Answer, fail)


async def test_another_request_under_the_key_is_refused():
    keys = FakeKeys()
    keys.store(Repeatable("owner", "scope", "key", b"other").remember(Answer(number=1)))

    async def work(_remember: Remember[Answer]) -> Answer:
        raise AssertionError

    with pytest.raises(IdempotencyKeyReused):
        await Once(keys).answer(ASKED, Answer, work)


def test_the_hash_knows_target_and_content_but_not_order():
    one = content_hash("t", Body(a="1", b={"x": "1", "y": "2"}))

    assert one == content_hash("t", Body(b={"y": "2", "x": "1"}, a="1"))
    assert len({one, content_hash("u", Body(a="1")), content_hash("t", Body(a="2"))}) == 3
    assert content_hash("t", None) != content_hash("t", Body())
