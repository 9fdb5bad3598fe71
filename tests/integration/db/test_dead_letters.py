"""Parked messages: kept once, sent again as often as asked, never lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.db.dead_letters import (
    LAST,
    AlreadySettled,
    DeadLetter,
    DeadLetters,
    NotRedrivable,
    ParkedFilter,
    ParkedMessage,
)
from shared.db.outbox import Outbox
from shared.db.pool import Database
from shared.domain.errors import NotFound
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    gathered,
    make_execution,
)

QUEUE = "submitter.cancel_execution"
QUEUES = [QUEUE, "amcflow.requests"]


@pytest.fixture
def letters(database: Database) -> DeadLetters:
    return DeadLetters(database)


def make_letter(**overrides: Any) -> DeadLetter:
    values: dict[str, Any] = {
        "queue": QUEUE,
        "message_id": str(uuid4()),
        "message_type": "cancel_execution.v1",
        "body": '{"execution_id": "0190"}',
        "headers": {},
        "correlation_id": "request",
        "reason": "bug: KeyError()",
        **overrides,
    }
    return DeadLetter(**values)


async def park(letters: DeadLetters, **overrides: Any) -> int:
    """Record one; its id."""
    assert await letters.record(make_letter(**overrides))
    (newest,) = await letters.page(ParkedFilter(), status="all", before=LAST, limit=1)
    return newest.id


async def redrive(letters: DeadLetters, letter: int, by: str = "anna") -> None:
    await letters.redrive(letter, by=by, queues=QUEUES)


async def sent(letters: DeadLetters) -> list[dict[str, Any]]:
    rows = await letters.database.fetch("select * from outbox order by id")
    return [dict(row) for row in rows]


async def mark_of(letters: DeadLetters) -> UUID:
    """What the latest copy carries."""
    return UUID((await sent(letters))[-1]["headers"]["amcflow-redrive"])


async def kinds(letters: DeadLetters, letter: int) -> list[tuple[str, str | None]]:
    return [(event.kind, event.by) for event in await letters.history(letter)]


async def page(letters: DeadLetters, status: str = "open", **wanted: Any) -> list[ParkedMessage]:
    return await letters.page(ParkedFilter(**wanted), status=status, before=LAST, limit=100)


async def test_a_message_that_is_delivered_twice_is_kept_once(letters: DeadLetters) -> None:
    letter = make_letter()

    assert [await letters.record(letter) for _ in range(2)] == [True, True]

    (kept,) = await page(letters)
    assert (kept.parked_count, kept.status) == (1, "open")
    assert await kinds(letters, kept.id) == [("parked", None)]


async def test_two_messages_under_one_id_are_both_kept(letters: DeadLetters) -> None:
    for body in ("{}", "[]", "{}"):
        await letters.record(make_letter(message_id="1", body=body))

    assert [(await letters.get(each.id)).body for each in await page(letters)] == ["[]", "{}"]


async def test_a_message_is_sent_again_into_its_own_queue_under_its_own_id(
    letters: DeadLetters,
) -> None:
    message_id = str(uuid4())
    letter = await park(
        letters,
        message_id=message_id,
        reply_to="replies",
        headers={"x-owner": "team", "x-dead-reason": "bug", "trace": "1"},
    )

    await redrive(letters, letter)

    (message,) = await sent(letters)
    assert str(message["message_id"]) == message_id
    assert (message["message_type"], message["raw_body"]) == (
        "cancel_execution.v1",
        '{"execution_id": "0190"}',
    )
    assert message["headers"] == {
        "x-queue": QUEUE,
        "x-owner": "team",
        "x-reply-to": "replies",
        "trace": "1",
        "amcflow-redrive": str(await mark_of(letters)),
    }
    assert await kinds(letters, letter) == [("parked", None), ("redriven", "anna")]


async def test_headers_that_amqp_could_not_hold_stay_behind(letters: DeadLetters) -> None:
    given = {"fraction": 1e20, "half": 0.5, "large": 10**30, "count": -7, "flag": True, "text": "t"}
    letter = await park(letters, headers=given)

    await redrive(letters, letter)

    headers = (await sent(letters))[0]["headers"]
    assert {name for name in given if name in headers} == {"count", "flag", "text"}


async def test_two_people_at_once_send_it_once(letters: DeadLetters) -> None:
    letter = await park(letters)

    outcomes = await gathered([redrive(letters, letter, by) for by in ("anna", "ben")])

    assert len(await sent(letters)) == 1
    assert sorted(type(each) for each in outcomes if each) == [AlreadySettled]


async def test_one_that_fails_again_is_parked_again_with_a_count(letters: DeadLetters) -> None:
    letter = await park(letters)
    await redrive(letters, letter)

    assert await letters.record(make_letter(reason="other", redrive_id=await mark_of(letters)))

    (again,) = await page(letters)
    assert (again.id, again.parked_count, again.reason) == (letter, 2, "other")
    assert [kind for kind, _ in await kinds(letters, letter)] == ["parked", "redriven", "parked"]


async def test_a_copy_published_twice_is_parked_once(letters: DeadLetters) -> None:
    letter = await park(letters)
    await redrive(letters, letter)
    mark = await mark_of(letters)

    assert [await letters.record(make_letter(redrive_id=mark)) for _ in range(2)] == [True, True]

    assert [each.parked_count for each in await page(letters)] == [2]


async def test_a_late_copy_of_an_earlier_try_changes_nothing(letters: DeadLetters) -> None:
    first = make_letter()
    await letters.record(first)
    (letter,) = [each.id for each in await page(letters)]
    await redrive(letters, letter)
    early = await mark_of(letters)
    await letters.record(make_letter(redrive_id=early))
    await redrive(letters, letter)

    assert not await letters.record(first)
    assert not await letters.record(make_letter(redrive_id=early))

    assert await page(letters) == []
    assert len(await page(letters, "redriven")) == 1


async def test_a_mark_that_nobody_gave_out_is_a_new_message(letters: DeadLetters) -> None:
    assert await letters.record(make_letter(redrive_id=uuid4()))

    assert len(await page(letters)) == 1


async def test_what_is_about_an_ended_execution_is_left_alone(
    letters: DeadLetters, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(letters.database, instance, workflow, "failed")
    letter = await park(letters, execution_id=execution)

    with pytest.raises(NotRedrivable) as caught:
        await redrive(letters, letter)

    assert "Retry the execution" in caught.value.hint
    assert await sent(letters) == []
    assert (await letters.get(letter)).status == "open"


@pytest.mark.parametrize(
    "body", ["", "no json", '{"a": "\\u0000"}', "[" * 50_000, '{"a": "\ufffd"}']
)
async def test_what_is_not_json_is_never_sent(letters: DeadLetters, body: str) -> None:
    letter = await park(letters, body=body)

    with pytest.raises(NotRedrivable, match="not JSON"):
        await redrive(letters, letter)

    assert await sent(letters) == []


async def test_nothing_is_sent_to_a_queue_that_a_stranger_names(letters: DeadLetters) -> None:
    letter = await park(letters, queue="somebody.else")

    with pytest.raises(NotRedrivable, match="none of ours"):
        await redrive(letters, letter)


async def test_an_id_that_is_no_uuid_becomes_the_same_uuid_each_time(letters: DeadLetters) -> None:
    letter = await park(letters, message_id="order 17")
    await redrive(letters, letter)
    await letters.record(make_letter(redrive_id=await mark_of(letters)))
    await redrive(letters, letter)

    first, second = await sent(letters)
    assert first["message_id"] == second["message_id"]


async def test_what_is_discarded_stays_as_a_record(letters: DeadLetters) -> None:
    letter = await park(letters)

    await letters.discard(letter, by="anna", reason="sent by mistake")

    (kept,) = await page(letters, "discarded")
    assert kept.id == letter
    assert (await letters.history(letter))[-1].detail == "sent by mistake"
    with pytest.raises(AlreadySettled):
        await redrive(letters, letter)
    with pytest.raises(AlreadySettled):
        await letters.discard(letter, by="ben", reason="again")
    assert await sent(letters) == []


async def test_a_message_that_is_not_there(letters: DeadLetters) -> None:
    for call in (
        letters.get(1),
        redrive(letters, 1),
        letters.discard(1, by="anna", reason="no"),
    ):
        with pytest.raises(NotFound):
            await call


async def test_all_are_sent_again_once_by_filter_and_page_by_page(letters: DeadLetters) -> None:
    ids = [await park(letters) for _ in range(5)]
    other = await park(letters, reason="undecodable_message: no")
    broken = await park(letters, body="no json")
    wanted = ParkedFilter(reason="bug")

    first = await letters.redrive_all(wanted, by="anna", queues=QUEUES, limit=4)
    rest = await letters.redrive_all(wanted, by="anna", queues=QUEUES, after=first[-1].id, limit=4)

    assert [each.id for each in (*first, *rest) if each.outcome == "sent"] == ids
    assert [(each.id, each.outcome) for each in rest][-1] == (broken, "unreadable")
    assert len(await sent(letters)) == 5
    assert {each.id for each in await page(letters)} == {other, broken}


async def test_two_sweeps_at_once_send_each_message_once(letters: DeadLetters) -> None:
    for _ in range(20):
        await park(letters)

    await asyncio.gather(
        *(
            letters.redrive_all(ParkedFilter(), by=by, queues=QUEUES, limit=100)
            for by in ("anna", "ben")
        )
    )

    assert len(await sent(letters)) == 20


async def test_lists_are_narrowed_by_every_filter(letters: DeadLetters) -> None:
    old = await park(letters, queue="amcflow.requests", message_type="request_executions.v1")
    new = await park(letters, reason="handler_failed")
    await letters.database.execute(
        "update dead_letters set last_parked_at = clock_timestamp() - interval '2 h' where id = $1",
        old,
    )

    async def found(**wanted: Any) -> list[int]:
        return [each.id for each in await page(letters, **wanted)]

    assert await found() == [new, old]
    assert await found(queue="amcflow.requests") == [old]
    assert await found(message_type="cancel_execution.v1") == [new]
    assert await found(reason="handler_failed") == [new]
    assert await found(parked_before=datetime.now(UTC) - timedelta(hours=1)) == [old]


async def test_dying_before_the_commit_sends_nothing_and_leaves_it_open(
    letters: DeadLetters,
) -> None:
    letter = await park(letters)

    async with letters.database.connection() as connection:
        dying = connection.transaction()
        await dying.start()
        await connection.fetchval("select redrive_parked_v1($1, 'anna', $2)", letter, QUEUES)
        await dying.rollback()

    assert await sent(letters) == []
    assert [each.id for each in await page(letters)] == [letter]


async def test_dying_after_the_commit_leaves_the_message_to_another_relay(
    letters: DeadLetters,
) -> None:
    letter = await park(letters)
    await redrive(letters, letter)
    await letters.database.execute("update outbox set available_at = clock_timestamp()")

    (row,) = await Outbox(letters.database).claim_left_behind(limit=10)

    assert row.body == b'{"execution_id": "0190"}'
    assert [each.id for each in await page(letters, "redriven")] == [letter]
