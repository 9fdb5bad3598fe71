"""Declared by the migration, only looked at by services."""

import pytest
from aio_pika.abc import AbstractChannel

from shared.domain.errors import BrokerUnavailable, InvalidRequest, NotFound
from shared.messaging.connection import connection_to
from shared.messaging.topology import Queue, Topology, declare_at, declare_queue, verify_at
from tests.integration.messaging.wire import Wire


async def test_declaring_again_changes_nothing(broker_url: str, topology: Topology) -> None:
    await declare_at(broker_url, topology)

    await verify_at(broker_url, topology)


async def test_a_missing_exchange_is_named_with_the_remedy(broker_url: str) -> None:
    with pytest.raises(NotFound, match=r"no exchange absent\.amc\.commands; run `make migrate`"):
        await verify_at(broker_url, Topology("absent."))


async def test_a_missing_queue_is_named_with_the_remedy(
    broker_url: str, topology: Topology, channel: AbstractChannel
) -> None:
    await channel.queue_delete(topology.poll_instance.name)

    with pytest.raises(NotFound, match=r"no queue poller\.poll_instance; run `make migrate`"):
        await verify_at(broker_url, topology)

    await declare_at(broker_url, topology)


async def test_a_queue_with_other_arguments_is_refused_by_name(
    broker_url: str, queue: Queue
) -> None:
    other = Queue(queue.name, "", queue.name, dead_exchange="another.exchange")

    async with connection_to(broker_url, name="a test") as connection:
        with pytest.raises(InvalidRequest, match=queue.name):
            await declare_queue(await connection.channel(), other)


async def test_without_a_broker_the_address_is_named(wire: Wire) -> None:
    wire.pull_out()

    with pytest.raises(BrokerUnavailable, match=r"connecting to 127\.0\.0\.1:\d+"):
        await verify_at(wire.url, Topology())
