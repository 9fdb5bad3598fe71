"""One connection of a consumer, used until its first surprise, and the subscriptions on it.

A subscription belongs to one lane of the consumer and is a broker-side consumer with a prefetch of
one: RabbitMQ never delivers a message that could not start at once, so none waits unseen behind
long work while another replica is idle. A lane whose message was acknowledged early cancels its
subscription first and consumes again when it is free.

Deliveries are taken from aiormq, below aio-pika: the latter's message and task for each cost more
than all that a consumer does with it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import aiormq
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import DeliveredMessage

from shared.domain.errors import BrokerUnavailable
from shared.messaging.connection import broker_errors, close_connection, open_connection

_RPC_SECONDS: Final = 10.0


class Session:
    """A connection and channel; `lost` calls back once, with the reason."""

    def __init__(
        self,
        connection: AbstractConnection,
        channel: AbstractChannel,
        on_lost: Callable[[], None],
    ) -> None:
        self.connection = connection
        self.channel = channel
        self.lost_reason: str | None = None
        self._on_lost = on_lost
        self._subscriptions: set[Subscription] = set()
        self.delivered: Counter[str] = Counter()
        self._suspicious: dict[str, int] = {}
        self._left = asyncio.Event()

    @classmethod
    async def open(
        cls, amqp_url: str, *, name: str, heartbeat: int, on_lost: Callable[[], None]
    ) -> Self:
        """BrokerUnavailable if it cannot be had."""
        connection = await open_connection(amqp_url, name=name, heartbeat=heartbeat)
        try:
            with broker_errors("opening a channel"):
                async with asyncio.timeout(_RPC_SECONDS):
                    session = cls(connection, await connection.channel(), on_lost)
                    await session._watch()
        except BaseException:
            await close_connection(connection)
            raise
        return session

    async def _watch(self) -> None:
        self.channel.close_callbacks.add(self._on_close)
        self.connection.close_callbacks.add(self._on_close)
        underlay = await self.channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(self._on_cancel)
        await self.channel.set_qos(prefetch_count=1)

    async def _on_close(self, _sender: object, error: BaseException | None) -> None:
        self.lose(repr(error))

    def _on_cancel(self, frame: aiormq.spec.Basic.Cancel) -> None:
        self.lose(f"RabbitMQ ended the consumer {frame.consumer_tag}; was its queue deleted?")

    def lose(self, reason: str) -> None:
        """Give this session up; its subscriptions end, handlers at work are not touched."""
        if self.lost_reason is None:
            self.lost_reason = reason
            self.end_subscriptions()
            self._left.set()
            self._on_lost()

    @property
    def is_live(self) -> bool:
        return self.lost_reason is None

    def subscribe(self, queue: str) -> "Subscription":
        subscription = Subscription(self, queue)
        self._subscriptions.add(subscription)
        return subscription

    def forget(self, subscription: "Subscription") -> None:
        self._subscriptions.discard(subscription)
        self.left()

    def left(self) -> None:
        """A subscription is gone from the broker."""
        self._left.set()

    async def calm(self) -> None:
        """Until no lane that is to end can still be given a message.

        Otherwise what one of them returns goes to the next and is returned again: sixteen lanes
        that pause would use up most of a message's deliveries, and it did nothing wrong.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_RPC_SECONDS):
                while self.is_live and any(each.is_leaving for each in self._subscriptions):
                    self._left.clear()
                    await self._left.wait()

    def end_subscriptions(self) -> None:
        """Let every idle lane go; busy ones go when their message is answered."""
        for subscription in self._subscriptions:
            subscription.end()

    async def probe(self, *, within: float) -> None:
        """Ask the broker whether it still serves us; lose the session if not.

        Heartbeats see a dead peer only. A consumer can get lost on a connection that lives: its
        queue's leader moved, or (3.10) its queue was deleted and declared again in one breath.
        That is announced to nobody, leaves the consumer in the queue's count, and swallows one
        message per lane; those that pile up behind show it, and a new connection frees them all.
        """
        queues = {each.queue for each in self._subscriptions if each.is_idle}
        try:
            for queue in queues:
                await self._probe_queue(queue, within)
        except BrokerUnavailable as error:
            self.lose(error.message)

    async def _probe_queue(self, queue: str, within: float) -> None:
        with broker_errors(f"looking at {queue}"):
            found = await self.channel.declare_queue(queue, passive=True, timeout=within)
        if not any(each.queue == queue and each.is_idle for each in self._subscriptions):
            return
        if not found.declaration_result.consumer_count:
            raise BrokerUnavailable(f"RabbitMQ no longer has a consumer of {queue}.")
        delivered = self.delivered[queue]
        is_waiting = bool(found.declaration_result.message_count)
        if is_waiting and self._suspicious.get(queue) == delivered:
            raise BrokerUnavailable(f"RabbitMQ has messages in {queue} and delivers none.")
        self._suspicious[queue] = delivered if is_waiting else -1

    async def close(self) -> None:
        """Whatever is not answered yet goes back to its queue."""
        self.lost_reason = self.lost_reason or "closed"
        await close_connection(self.connection)


class Subscription:
    """One broker-side consumer; an async context manager around a lane's use of it."""

    def __init__(self, session: Session, queue: str) -> None:
        self.queue = queue
        self._session = session
        self._tag: str | None = None
        self._inbox: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        self._end = asyncio.Event()
        self._is_waiting = False
        self._is_at_broker = False
        self._has_message = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.cancel()
        finally:
            self._session.forget(self)

    @property
    def is_idle(self) -> bool:
        """Whether the broker could deliver a message right now."""
        return self._tag is not None and self._is_waiting

    @property
    def is_leaving(self) -> bool:
        """Whether it has ended here, and RabbitMQ may deliver to it all the same."""
        return self._is_at_broker and self._end.is_set() and not self._has_message

    async def next(self) -> DeliveredMessage | None:
        """The next message, or None at the end; BrokerUnavailable if consuming is refused."""
        self._has_message = False
        if self._tag is None and not self._end.is_set():
            await self._consume()
        self._is_waiting = True
        message = None if self._end.is_set() else await self._inbox.get()
        self._is_waiting = False
        if message is not None and self._end.is_set():
            # It came together with the end: leave it to `cancel`.
            self._inbox.put_nowait(message)
            return None
        self._has_message = message is not None
        return message

    async def _consume(self) -> None:
        self._is_at_broker = True
        with broker_errors(f"subscribing to {self.queue}"):
            channel = await self._session.channel.get_underlay_channel()
            consuming = await channel.basic_consume(self.queue, self._receive, timeout=_RPC_SECONDS)
            self._tag = consuming.consumer_tag

    async def _receive(self, message: DeliveredMessage) -> None:
        """Runs in a task of aiormq's, which a lost connection cancels: only hand over."""
        self._session.delivered[self.queue] += 1
        self._inbox.put_nowait(message)

    def end(self) -> None:
        """No message starts any more; wakes the lane."""
        self._end.set()
        self._inbox.put_nowait(None)

    @property
    def is_ended(self) -> bool:
        return self._end.is_set()

    async def cancel(self) -> None:
        """Have the broker deliver no more, and give back what it delivered meanwhile."""
        tag, self._tag = self._tag, None
        if tag is not None and self._session.is_live:
            await self._leave_broker(tag)
        self._is_at_broker = False
        self._session.left()
        if tag is not None:
            await self._session.calm()
            await self._empty()

    async def _leave_broker(self, tag: str) -> None:
        try:
            with broker_errors("ending a subscription"):
                channel = await self._session.channel.get_underlay_channel()
                await channel.basic_cancel(tag, timeout=_RPC_SECONDS)
        except BrokerUnavailable as error:
            self._session.lose(error.message)

    async def _empty(self) -> None:
        while not self._inbox.empty():
            message = self._inbox.get_nowait()
            if message is not None:
                await give_back(message)


async def acknowledge(message: DeliveredMessage) -> bool:
    """Ack; false if the connection is gone, then the broker will deliver it again."""
    try:
        with broker_errors("acknowledging"):
            async with asyncio.timeout(_RPC_SECONDS):
                await message.channel.basic_ack(_tag_of(message))
    except BrokerUnavailable:
        return False
    return True


async def give_back(message: DeliveredMessage) -> bool:
    """Return it to its queue. Not `reject`: from RabbitMQ 4.3 on only that counts to the delivery
    limit, and this message did nothing wrong. Without a connection it goes back by itself."""
    try:
        with broker_errors("returning a message"):
            async with asyncio.timeout(_RPC_SECONDS):
                await message.channel.basic_nack(_tag_of(message), requeue=True)
    except BrokerUnavailable:
        return False
    return True


def _tag_of(message: DeliveredMessage) -> int:
    assert message.delivery_tag is not None  # only messages of `basic_return` have none
    return message.delivery_tag
