"""From outcome to broker action, on a real broker."""

import asyncio
from datetime import timedelta

import pytest

from shared.domain.errors import (
    AmcThrottled,
    DatabaseUnavailable,
    QueryRejected,
    StaleTransition,
    TokenExpired,
)
from shared.messaging.envelope import ReceivedMessage
from shared.messaging.messages import SubmitExecution
from shared.messaging.routes import handles_envelope, handles_raw
from shared.messaging.topology import dead_letters_of
from tests.integration.messaging.bench import Bench, Handler, soon


async def test_a_handled_message_is_gone(bench: Bench) -> None:
    handler = Handler()
    running = bench.submit(handler)

    execution_id = await bench.send()

    assert await soon(handler.finished.get()) == execution_id
    await running.stopped()
    assert await bench.left_over() == []


async def test_a_message_someone_else_was_first_with_is_gone_too(bench: Bench) -> None:
    handler = Handler(StaleTransition("it is running already"))
    running = bench.submit(handler)

    await bench.send()

    await soon(handler.finished.get())
    await running.stopped()
    assert await bench.left_over() == []


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"type": "no_such.v1"}, "unknown_message_type"),
        ({"body": b"not json"}, "undecodable_message"),
        ({"body": b'{"execution_id": 7}'}, "undecodable_message"),
        ({"type": ""}, "unknown_message_type"),
    ],
)
async def test_a_message_that_breaks_the_contract_is_parked_with_its_reason(
    bench: Bench, overrides: dict[str, object], reason: str
) -> None:
    running = bench.submit(Handler())

    await bench.send(**overrides, correlation_id="req-1", headers={"origin": "a test"})

    parked = await bench.dead_letter()
    assert parked.headers["x-dead-reason"] == reason
    assert parked.headers["x-dead-queue"] == bench.queue.name
    assert parked.headers["origin"] == "a test"
    assert parked.correlation_id == "req-1"
    await running.stopped()
    assert await bench.left_over() == []


async def test_a_transient_error_is_postponed_for_as_long_as_it_asks(bench: Bench) -> None:
    bench.submit(Handler(AmcThrottled("slow down", wait=timedelta(seconds=7))))

    await bench.send(correlation_id="req-1")

    message, wait, attempt, reason = await soon(bench.postponer.postponed.get())
    assert (wait, attempt, reason) == (timedelta(seconds=7), 2, "amc_throttled")
    assert message.again(attempt=attempt).headers["x-attempt"] == 2
    assert message.again(attempt=attempt).routing_key == bench.queue.name


async def test_an_unknown_error_is_postponed_longer_each_time_and_parked_at_last(
    bench: Bench,
) -> None:
    bench.submit(Handler(*[ZeroDivisionError("a bug")] * 3), max_attempts=3)
    await bench.send()

    waits = []
    for _ in range(2):
        message, wait, attempt, _reason = await soon(bench.postponer.postponed.get())
        waits.append(wait)
        await bench.publisher.publish(message.again(attempt=attempt))

    parked = await bench.dead_letter()
    assert waits == [timedelta(seconds=1), timedelta(seconds=2)]
    assert parked.headers["x-dead-reason"] == "bug"
    assert "a bug" in str(parked.headers["x-dead-detail"])


async def test_what_a_handler_should_have_recorded_is_never_tried_again(bench: Bench) -> None:
    bench.submit(Handler(QueryRejected("no such column")))

    await bench.send()

    parked = await bench.dead_letter()
    assert parked.headers["x-dead-reason"] == "query_rejected"


async def test_without_the_database_messages_wait_in_the_queue_until_it_is_back(
    bench: Bench,
) -> None:
    back = asyncio.Event()
    asked = asyncio.Event()

    async def healthy() -> bool:
        asked.set()
        return back.is_set()

    handler = Handler(DatabaseUnavailable("gone"))
    running = bench.submit(handler, healthy=healthy)
    sent = [await bench.send(), await bench.send()]

    await soon(handler.finished.get())
    await soon(asked.wait())
    assert not running.consumer.alive
    assert handler.started.qsize() == 1

    back.set()
    assert [await soon(handler.finished.get()) for _ in sent] == sent


async def test_a_database_that_comes_and_goes_parks_no_message(bench: Bench) -> None:
    more_than_the_limit = 22
    handler = Handler(*[DatabaseUnavailable("gone")] * more_than_the_limit)
    running = bench.submit(handler, concurrency=8)

    execution_id = await bench.send()

    for _ in range(more_than_the_limit + 1):
        assert await soon(handler.finished.get()) == execution_id
    await running.stopped()
    assert await bench.left_over() == []


async def test_a_message_given_back_goes_round_no_lane_that_is_about_to_pause(bench: Bench) -> None:
    answers = iter((False, True))
    seen: asyncio.Queue[ReceivedMessage] = asyncio.Queue()
    endings = iter((DatabaseUnavailable("gone"), None))

    async def healthy() -> bool:
        return next(answers)

    async def note(received: ReceivedMessage) -> None:
        seen.put_nowait(received)
        if ending := next(endings):
            raise ending

    bench.consume(handles_raw(note), healthy=healthy, concurrency=16)
    await bench.send()
    found = [await soon(seen.get()) for _ in range(2)]

    assert [each.headers.get("x-delivery-count", 0) for each in found] == [0, 1]


async def test_a_verdict_that_cannot_be_recorded_returns_the_message(bench: Bench) -> None:
    class Broken:
        calls = 0

        async def postpone(self, *_: object, **__: object) -> None:
            self.calls += 1
            if self.calls == 1:
                raise DatabaseUnavailable("gone in between")

    bench.postponer = Broken()
    handler = Handler(TokenExpired("first"), TokenExpired("second"))
    bench.submit(handler)

    execution_id = await bench.send()

    assert await soon(handler.finished.get()) == execution_id
    assert await soon(handler.finished.get()) == execution_id


async def test_stopping_finishes_what_is_in_hand_and_leaves_the_rest(bench: Bench) -> None:
    gate = asyncio.Event()
    handler = Handler(gate=gate)
    running = bench.submit(handler, concurrency=2)
    sent = [await bench.send() for _ in range(5)]
    in_hand = [await soon(handler.started.get()) for _ in range(2)]

    running.ask_to_stop()
    gate.set()
    await running.stopped()

    left = [SubmitExecution.decode(body).execution_id for body in await bench.left_over()]
    assert sorted(in_hand) == sorted(sent[:2])
    assert left == sent[2:]


async def test_what_outlasts_the_grace_is_cancelled_and_delivered_again(bench: Bench) -> None:
    handler = Handler(gate=asyncio.Event())
    running = bench.submit(handler, grace=timedelta(0))
    execution_id = await bench.send()
    await soon(handler.started.get())

    await running.stopped()

    again = Handler()
    bench.submit(again)
    assert await soon(again.finished.get()) == execution_id
    assert handler.finished.empty()


async def test_an_early_acknowledgement_sends_the_next_message_to_another_replica(
    bench: Bench,
) -> None:
    gate = asyncio.Event()
    acknowledged = asyncio.Event()

    async def long_work(command: SubmitExecution, received: ReceivedMessage) -> None:
        await received.acknowledge()
        acknowledged.set()
        await gate.wait()

    running = bench.consume(handles_envelope(SubmitExecution, long_work))
    await bench.send()
    await soon(acknowledged.wait())
    second = await bench.send()

    other = Handler()
    bench.submit(other)
    assert await soon(other.finished.get()) == second
    gate.set()
    await running.stopped()


async def test_a_lane_consumes_again_after_its_early_acknowledged_work(bench: Bench) -> None:
    done: asyncio.Queue[object] = asyncio.Queue()

    async def long_work(command: SubmitExecution, received: ReceivedMessage) -> None:
        await received.acknowledge()
        done.put_nowait(command.execution_id)

    bench.consume(handles_envelope(SubmitExecution, long_work))
    sent = [await bench.send() for _ in range(3)]

    assert [await soon(done.get()) for _ in sent] == sent


async def test_dead_letters_come_with_their_reason_and_are_never_parked_again(
    bench: Bench,
) -> None:
    seen: asyncio.Queue[ReceivedMessage] = asyncio.Queue()

    async def record(received: ReceivedMessage) -> None:
        seen.put_nowait(received)
        raise ZeroDivisionError("a bug in the recorder")

    bench.submit(Handler())
    bench.consume(handles_raw(record), queue=dead_letters_of(bench.queue), max_attempts=1)

    await bench.send(body=b"not json")

    letter = await soon(seen.get())
    assert (letter.dead_reason, letter.body) == ("undecodable_message", b"not json")
    _, _, attempt, reason = await soon(bench.postponer.postponed.get())
    assert (attempt, reason) == (2, "bug")


async def test_a_message_that_kills_its_workers_is_set_aside_by_the_broker(bench: Bench) -> None:
    seen: asyncio.Queue[ReceivedMessage] = asyncio.Queue()

    async def record(received: ReceivedMessage) -> None:
        seen.put_nowait(received)

    bench.consume(handles_raw(record), queue=dead_letters_of(bench.queue))
    await bench.send()
    queue = await bench.channel.get_queue(bench.queue.name, ensure=False)
    async with asyncio.timeout(20), queue.iterator() as deliveries:
        for _ in range(21):
            await (await anext(deliveries)).reject(requeue=True)

        letter = await soon(seen.get())

    assert letter.dead_reason == "delivery_limit"
    assert letter.type == SubmitExecution.TYPE
