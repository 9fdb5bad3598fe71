"""What the consumer's tests are made of: messages in, a handler to steer, and what came out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.domain.errors import BrokerUnavailable
from shared.domain.ids import new_uuid
from shared.messaging.consumer import Consumer, Refusal
from shared.messaging.envelope import OutgoingMessage, ReceivedMessage
from shared.messaging.messages import SubmitExecution
from shared.messaging.options import ConsumerOptions
from shared.messaging.publisher import Publisher
from shared.messaging.routes import Route, handles
from shared.messaging.topology import Queue
from tests.integration.messaging.wire import Wire

T = TypeVar("T")

PATIENCE = 20.0


@dataclass
class RememberingPostponer:
    """Remembers instead of waiting."""

    postponed: asyncio.Queue[tuple[ReceivedMessage, timedelta, int, str]] = field(
        default_factory=asyncio.Queue
    )

    async def postpone(
        self, message: ReceivedMessage, *, wait: timedelta, attempt: int, reason: str
    ) -> None:
        self.postponed.put_nowait((message, wait, attempt, reason))


class Handler:
    """Reports each start and waits where a test wants it to; ends as told."""

    def __init__(self, *endings: Exception | None, gate: asyncio.Event | None = None) -> None:
        self.started: asyncio.Queue[UUID] = asyncio.Queue()
        self.finished: asyncio.Queue[UUID] = asyncio.Queue()
        self._endings = list(endings)
        self._gate = gate

    async def __call__(self, command: SubmitExecution, /) -> None:
        self.started.put_nowait(command.execution_id)
        if self._gate is not None:
            await self._gate.wait()
        self.finished.put_nowait(command.execution_id)
        ending = self._endings.pop(0) if self._endings else None
        if ending is not None:
            raise ending

    async def until_finished(self, execution_id: UUID) -> None:
        """Wait for this one; an older one may come twice, since a cut can lose its ack."""
        while await self.finished.get() != execution_id:
            pass


async def always_healthy() -> bool:
    return True


class Running:
    """A consumer at work, and how to end it."""

    def __init__(self, consumer: Consumer, task: asyncio.Task[None], stop: asyncio.Event) -> None:
        self.consumer = consumer
        self._task = task
        self._stop = stop

    def ask_to_stop(self) -> None:
        self._stop.set()

    async def lost(self) -> None:
        """Wait until it has noticed that its session is gone."""
        await self.consumer._keeper._lost.wait()

    async def stopped(self) -> None:
        self._stop.set()
        await soon(self._task)


@dataclass
class Bench:
    """One queue with everything around it."""

    wire: Wire
    queue: Queue
    channel: AbstractChannel
    publisher: Publisher
    postponer: RememberingPostponer
    group: asyncio.TaskGroup
    running: list[Running] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def at(
        cls,
        wire: Wire,
        queue: Queue,
        channel: AbstractChannel,
        publisher: Publisher,
        postponer: RememberingPostponer,
    ) -> AsyncIterator["Bench"]:
        async with asyncio.TaskGroup() as group:
            bench = cls(wire, queue, channel, publisher, postponer, group)
            yield bench
            for running in bench.running:
                await running.stopped()

    def consume(
        self,
        *routes: Route,
        queue: Queue | None = None,
        healthy: Callable[[], Awaitable[bool]] = always_healthy,
        on_refused: Refusal | None = None,
        **options: object,
    ) -> Running:
        """Start a consumer behind the cable; it is stopped after the test."""
        consumer = Consumer(
            self.wire.url,
            [queue or self.queue],
            routes,
            postponer=self.postponer,
            publisher=self.publisher,
            healthy=healthy,
            on_refused=on_refused,
            options=ConsumerOptions(**{"concurrency": 1, "heartbeat_seconds": 1, **options}),
        )
        stop = asyncio.Event()
        running = Running(consumer, self.group.create_task(consumer.run(stop)), stop)
        self.running.append(running)
        return running

    def submit(self, handler: Handler, **options: object) -> Running:
        """A consumer with this handler."""
        return self.consume(handles(SubmitExecution, handler), **options)

    async def send(self, **overrides: object) -> UUID:
        """One command into the queue; its execution id."""
        execution_id = new_uuid()
        body = SubmitExecution(execution_id=execution_id).encode()
        fields = {"type": SubmitExecution.TYPE, "body": body, **overrides}
        await self.publisher.publish(
            OutgoingMessage(
                message_id=new_uuid(), exchange="", routing_key=self.queue.name, **fields
            )
        )
        return execution_id

    async def send_at_last(self) -> UUID:
        """One command, however often it takes: the broker may just be coming back."""
        while True:
            with suppress(BrokerUnavailable):
                return await self.send()
            await asyncio.sleep(0)

    async def provoke_channel_error(self, running: Running) -> None:
        """Acknowledge on its channel what was never delivered."""
        session = await running.consumer._keeper.session()
        underlay = await session.channel.get_underlay_channel()
        await underlay.basic_ack(999)

    async def lose_consumer_silently(self, running: Running) -> None:
        """End its broker-side consumer behind its back."""
        session = await running.consumer._keeper.session()
        underlay = await session.channel.get_underlay_channel()
        for subscription in session._subscriptions:
            await underlay.basic_cancel(subscription._tag)

    async def dead_letter(self) -> AbstractIncomingMessage:
        """The next message of the dead-letter queue."""
        return await first(self.channel, f"{self.queue.name}.dead")

    async def left_over(self) -> list[bytes]:
        """The bodies still in the queue; found by reading up to a mark of our own."""
        await self.channel.default_exchange.publish(
            aio_pika.Message(b"mark", delivery_mode=2), self.queue.name
        )
        bodies: list[bytes] = []
        queue = await self.channel.get_queue(self.queue.name, ensure=False)
        async with asyncio.timeout(PATIENCE), queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                if message.body == b"mark":
                    return bodies
                bodies.append(message.body)
        raise AssertionError("the mark did not come back")


async def first(channel: AbstractChannel, name: str) -> AbstractIncomingMessage:
    """The next message of a queue, acknowledged."""
    queue = await channel.get_queue(name, ensure=False)
    async with asyncio.timeout(PATIENCE), queue.iterator() as messages:
        async for message in messages:
            await message.ack()
            return message
    raise AssertionError(f"nothing came out of {name}")


async def soon(awaitable: Awaitable[T]) -> T:
    """The result, or a failure instead of a test that hangs."""
    async with asyncio.timeout(PATIENCE):
        return await awaitable
