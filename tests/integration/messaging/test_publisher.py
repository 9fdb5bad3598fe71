"""What the publisher promises: every message's fate is known, and nothing hangs."""

import asyncio
import time

import pytest
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractChannel

from shared.domain.errors import BrokerUnavailable
from shared.domain.ids import new_uuid
from shared.messaging.envelope import OutgoingMessage, command, event
from shared.messaging.messages import ExecutionChanged, SubmitExecution
from shared.messaging.publisher import Publisher
from shared.messaging.topology import Queue, Topology
from tests.integration.messaging.bench import first, soon
from tests.integration.messaging.wire import Wire


def make_message(routing_key: str, **overrides: object) -> OutgoingMessage:
    fields = {"message_id": new_uuid(), "exchange": "", "type": "a.v1", "body": b"{}"}
    return OutgoingMessage(routing_key=routing_key, **{**fields, **overrides})


async def test_a_command_arrives_with_everything_around_it(
    publisher: Publisher, topology: Topology, channel: AbstractChannel
) -> None:
    message = command(SubmitExecution(execution_id=new_uuid()), topology, correlation_id="req-1")

    await publisher.publish(message)

    arrived = await first(channel, topology.submit_execution.name)
    assert arrived.type == "submit_execution.v1"
    assert arrived.message_id == str(message.message_id)
    assert arrived.correlation_id == "req-1"
    assert arrived.delivery_mode is DeliveryMode.PERSISTENT
    assert arrived.body == message.body


async def test_a_message_no_queue_takes_fails_alone(publisher: Publisher, queue: Queue) -> None:
    messages = [make_message(queue.name), make_message("no.such.queue"), make_message(queue.name)]

    receipts = await publisher.publish_many(messages)

    assert [receipt.confirmed for receipt in receipts] == [True, False, True]
    assert [receipt.unroutable for receipt in receipts] == [False, True, False]


async def test_an_event_nobody_listens_to_is_no_failure(
    publisher: Publisher, topology: Topology
) -> None:
    changed = ExecutionChanged(
        event_id=1,
        execution_id=new_uuid(),
        workflow_id=new_uuid(),
        instance_id="amc1",
        to_state="queued",
        at="2026-01-01T00:00:00Z",
        owner="tests",
    )

    await publisher.publish(event(changed, topology))


async def test_a_full_queue_refuses_only_what_it_has_no_room_for(
    publisher: Publisher, channel: AbstractChannel
) -> None:
    limits = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
    full = await channel.declare_queue("test.full", durable=True, arguments=limits)
    roomy = await channel.declare_queue("test.roomy", exclusive=True)
    while (await publisher.publish_many([make_message(full.name)]))[0].confirmed:
        """It takes a few more than its limit."""
    messages = [make_message(name) for name in [full.name, roomy.name] * 50]

    receipts = await publisher.publish_many(messages)

    await channel.queue_delete(full.name)
    assert all(receipt.confirmed for receipt in receipts[1::2])
    assert not any(receipt.confirmed for receipt in receipts[::2])


async def test_a_missing_exchange_fails_the_batch_and_not_the_next(
    publisher: Publisher, queue: Queue
) -> None:
    receipts = await publisher.publish_many(
        [make_message(queue.name, exchange="no.such.exchange"), make_message(queue.name)]
    )

    assert not receipts[0].confirmed
    await publisher.publish(make_message(queue.name))


async def test_one_message_id_is_in_flight_once(publisher: Publisher, queue: Queue) -> None:
    message = make_message(queue.name)

    receipts = await publisher.publish_many([message, message])

    assert [receipt.confirmed for receipt in receipts] == [True, False]


async def test_a_broker_that_is_away_is_told_at_once_and_found_again(
    wire: Wire, queue: Queue
) -> None:
    async with Publisher(wire.url) as publisher:
        await publisher.publish(make_message(queue.name))
        wire.pull_out()

        started = time.monotonic()
        receipts = await publisher.publish_many([make_message(queue.name) for _ in range(1_000)])
        with pytest.raises(BrokerUnavailable):
            await publisher.publish(make_message(queue.name))
        seconds = time.monotonic() - started

        await wire.plug_in()
        await soon(until_published(publisher, make_message(queue.name)))
        assert not any(receipt.confirmed for receipt in receipts)
        assert seconds < 3


async def test_a_connection_cut_in_the_middle_leaves_no_message_in_the_dark(
    wire: Wire, queue: Queue, channel: AbstractChannel
) -> None:
    async with Publisher(wire.url) as publisher, asyncio.TaskGroup() as group:
        await publisher.publish(make_message(queue.name))
        messages = [make_message(queue.name) for _ in range(3_000)]
        sending = group.create_task(publisher.publish_many(messages))
        await first(channel, queue.name)
        wire.cut()
        receipts = await soon(sending)

    stored = await ids_in(channel, queue, at_least=sum(each.confirmed for each in receipts))
    confirmed = {str(receipt.message_id) for receipt in receipts if receipt.confirmed}
    assert confirmed - stored == set()


async def test_a_dead_line_times_out_and_is_replaced(wire: Wire, queue: Queue) -> None:
    async with Publisher(wire.url, timeout_seconds=0.3) as publisher:
        await publisher.publish(make_message(queue.name))
        wire.go_dead()

        receipts = await soon(publisher.publish_many([make_message(queue.name)]))

        await soon(until_published(publisher, make_message(queue.name)))
        assert not receipts[0].confirmed


async def test_in_an_alarm_publishing_times_out_on_one_connection_and_goes_on_after_it(
    wire: Wire, queue: Queue
) -> None:
    async with Publisher(wire.url, timeout_seconds=0.3) as publisher:
        await publisher.publish(make_message(queue.name))
        wire.block()

        blocked = await soon(publisher.publish_many([make_message(queue.name) for _ in range(3)]))
        still = await soon(publisher.publish_many([make_message(queue.name)]))

        wire.unblock()
        await soon(until_published(publisher, make_message(queue.name)))
        assert not any(receipt.confirmed for receipt in (*blocked, *still))
        assert wire.accepted == 1


async def test_a_batch_leaves_in_few_packets(wire: Wire, queue: Queue) -> None:
    async with Publisher(wire.url) as publisher:
        await publisher.publish(make_message(queue.name))
        before = wire.packets

        receipts = await publisher.publish_many([make_message(queue.name) for _ in range(500)])

        assert all(receipt.confirmed for receipt in receipts)
        assert wire.packets - before < 50


async def until_published(publisher: Publisher, message: OutgoingMessage) -> None:
    while True:
        (receipt,) = await publisher.publish_many([message])
        if receipt.confirmed:
            return
        await asyncio.sleep(0)


async def ids_in(channel: AbstractChannel, queue: Queue, *, at_least: int) -> set[str]:
    found: set[str] = set()
    source = await channel.get_queue(queue.name, ensure=False)
    while len(found) < at_least:
        message = await source.get(fail=False, no_ack=True)
        if message is None:
            break
        found.add(message.message_id or "")
    return found
