"""Every test of this folder runs on RabbitMQ as Debian 12 has it and on RabbitMQ 4."""

from collections.abc import AsyncIterator
from itertools import count

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from shared.messaging.publisher import Publisher
from shared.messaging.topology import Queue, Topology, dead_letters_of, declare_at, declare_queue
from tests.integration.messaging.bench import Bench, RememberingPostponer
from tests.integration.messaging.wire import Wire

_NUMBERS = count()


@pytest.fixture(scope="session", params=["rabbitmq_url", "rabbitmq4_url"], ids=["3", "4"])
def broker_url(request: pytest.FixtureRequest) -> str:
    """The URL of a broker that is ours alone."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture(scope="session")
async def topology(broker_url: str) -> Topology:
    """All our exchanges and queues, declared once per broker."""
    topology = Topology()
    await declare_at(broker_url, topology)
    return topology


@pytest.fixture
async def channel(broker_url: str) -> AsyncIterator[AbstractChannel]:
    """A channel beside the code under test, to look at the broker from outside."""
    connection = await aio_pika.connect(broker_url)
    yield await connection.channel(on_return_raises=True)
    await connection.close()


@pytest.fixture
async def queue(topology: Topology, channel: AbstractChannel) -> AsyncIterator[Queue]:
    """A work queue of this test alone, with its dead-letter queue."""
    name = f"test.{next(_NUMBERS)}"
    queue = Queue(name, "", name, topology.dead.name)
    dead = dead_letters_of(queue)
    for each in (dead, queue):
        await declare_queue(channel, each)
    yield queue
    for each in (queue, dead):
        await channel.queue_delete(each.name)


@pytest.fixture
async def wire(broker_url: str) -> AsyncIterator[Wire]:
    """The broker behind a cable that can be cut."""
    async with Wire.to(broker_url) as wire:
        yield wire


@pytest.fixture
async def publisher(broker_url: str) -> AsyncIterator[Publisher]:
    async with Publisher(broker_url) as publisher:
        yield publisher


@pytest.fixture
async def bench(
    wire: Wire, queue: Queue, channel: AbstractChannel, publisher: Publisher
) -> AsyncIterator[Bench]:
    """A queue, a postponer that remembers, and consumers on the cable."""
    async with Bench.at(wire, queue, channel, publisher, RememberingPostponer()) as bench:
        yield bench
