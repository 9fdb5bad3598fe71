"""A broker with exchanges and queues of this test alone, and relays between it and the database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.db.outbox import Outbox
from shared.db.pool import Database
from shared.messaging.publisher import Publisher
from shared.messaging.topology import Topology, declare_at
from shared.runtime.relay import OutboxRelay
from tests.integration.builders import until
from tests.integration.messaging.wire import Wire

_NUMBERS = count()


@dataclass
class Broker:
    """The broker as the test looks at it, beside the code under test."""

    url: str
    topology: Topology
    channel: AbstractChannel

    async def arrived(self, queue: str, number: int) -> list[AbstractIncomingMessage]:
        """The next messages of a queue, as soon as there are so many."""
        taken: list[AbstractIncomingMessage] = []
        queued = await self.channel.get_queue(queue, ensure=False)

        async def enough() -> bool:
            while len(taken) < number:
                message = await queued.get(fail=False, no_ack=True)
                if message is None:
                    return False
                taken.append(message)
            return True

        await until(enough, seconds=15, every=0.005)
        return taken

    async def depth(self, queue: str) -> int:
        declared = await self.channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


@pytest.fixture
async def broker(rabbitmq_url: str) -> AsyncIterator[Broker]:
    topology = Topology(prefix=f"runtime{next(_NUMBERS)}.")
    await declare_at(rabbitmq_url, topology)
    connection = await aio_pika.connect(rabbitmq_url)
    channel = await connection.channel()
    yield Broker(rabbitmq_url, topology, channel)
    for queue in (*topology.work_queues, *topology.dead_queues):
        await channel.queue_delete(queue.name)
    for exchange in topology.exchanges:
        await channel.exchange_delete(exchange.name)
    await connection.close()


@pytest.fixture
async def wire(rabbitmq_url: str) -> AsyncIterator[Wire]:
    async with Wire.to(rabbitmq_url) as wire:
        yield wire


@asynccontextmanager
async def running(job: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[None]:
    """The job, until the block ends; it must stop by itself."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(job(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(4):
            await task


@asynccontextmanager
async def relay(
    database: Database, topology: Topology, url: str, *, lease: timedelta = timedelta(seconds=15)
) -> AsyncIterator[OutboxRelay]:
    """A relay of the process that `database` stands for, at work."""
    async with Publisher(url, timeout_seconds=1.0) as publisher:
        made = OutboxRelay(Outbox(database, lease), publisher, topology)
        async with running(made.run):
            yield made
