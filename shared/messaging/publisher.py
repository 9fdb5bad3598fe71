"""Publishes with confirms: of each message it is known afterwards whether RabbitMQ has stored it.

One connection of its own, opened when there is something to send: alarms block connections that
publish, and consumers must go on acknowledging meanwhile. Any surprise (a timeout too) throws the
connection away; the next call opens another, at most one attempt per back-off while the broker is
away, so that callers fail fast instead of queueing up. Nothing is sent twice here: a message
without a confirm may be stored or not, and its owner (the outbox) sends it again under the same
message id.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, cast
from uuid import UUID

import aiormq
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import DeliveryError, PublishError

from shared.domain.errors import BrokerUnavailable
from shared.messaging.connection import (
    HEARTBEAT_SECONDS,
    broker_errors,
    close_connection,
    open_connection,
)
from shared.messaging.envelope import OutgoingMessage
from shared.observability.logs import get_logger
from shared.observability.metrics import MESSAGES_PUBLISHED, PUBLISH_FAILURES

log = get_logger()

# Confirms awaited at once; aiormq walks over all of them for each confirm of several.
_WINDOW: Final = 1_000
_FIRST_BACKOFF: Final = 0.2
_LONGEST_BACKOFF: Final = 5.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one message; without an error RabbitMQ has it on disk."""

    message_id: UUID
    error: BrokerUnavailable | None = None
    unroutable: bool = False
    """RabbitMQ answered, but no queue takes such a message."""

    @property
    def confirmed(self) -> bool:
        return self.error is None


@dataclass(slots=True)
class _Link:
    """The connection in use and what hangs on it."""

    connection: AbstractConnection
    channel: AbstractChannel
    underlay: aiormq.Channel
    in_alarm: bool = False

    @property
    def is_open(self) -> bool:
        return not self.channel.is_closed

    @property
    def is_usable(self) -> bool:
        return self.is_open and not self.in_alarm

    async def is_blocked(self) -> bool:
        """Whether RabbitMQ said that it reads no more from us: a memory or disk alarm."""
        try:
            await self.until_unblocked(0)
        except TimeoutError:
            return True
        return False

    async def until_unblocked(self, seconds: float) -> None:
        """Wait for the end of an alarm; TimeoutError if it lasts."""
        transport = self.connection.transport
        if transport is not None:
            async with asyncio.timeout(seconds):
                await transport.ready()

    async def publish(self, message: OutgoingMessage) -> None:
        """One level below aio-pika, whose `publish` waits for each message to leave the socket:
        3,000 a second instead of 7,000. The window bounds what is buffered."""
        await self.underlay.basic_publish(
            message.body,
            exchange=message.exchange,
            routing_key=message.routing_key,
            properties=_properties(message),
            mandatory=message.mandatory,
            wait=False,
        )


class Publisher:
    """A sender for any number of tasks of one event loop; an async context manager."""

    def __init__(
        self,
        amqp_url: str,
        *,
        name: str = "amcflow publisher",
        timeout_seconds: float = 5.0,
        heartbeat_seconds: int = HEARTBEAT_SECONDS,
    ) -> None:
        self._amqp_url = amqp_url
        self._name = name
        self._timeout = timeout_seconds
        self._heartbeat = heartbeat_seconds
        self._link: _Link | None = None
        self._opening = asyncio.Lock()
        self._window = asyncio.Semaphore(_WINDOW)
        self._in_flight: set[UUID] = set()
        self._failures = 0
        self._not_before = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connection; what is in flight counts as not confirmed."""
        link, self._link = self._link, None
        if link is not None:
            await close_connection(link.connection)

    async def check(self) -> bool:
        """Whether the broker can be reached right now; opens the connection if need be."""
        try:
            await self._usable_link()
        except BrokerUnavailable:
            return False
        return True

    async def publish(self, message: OutgoingMessage) -> None:
        """Send one; BrokerUnavailable unless it was confirmed."""
        (receipt,) = await self.publish_many([message])
        if receipt.error is not None:
            raise receipt.error

    async def publish_many(self, messages: Sequence[OutgoingMessage]) -> list[Receipt]:
        """Send all at once, confirms pipelined; one receipt per message, in the same order.

        Never raises for the broker's sake and returns within the timeout of each window.
        """
        if not messages:
            return []
        try:
            link = await self._usable_link()
        except BrokerUnavailable as error:
            receipts = [Receipt(message.message_id, error) for message in messages]
        else:
            async with asyncio.TaskGroup() as group:
                sending = [group.create_task(self._send(link, message)) for message in messages]
            receipts = [task.result() for task in sending]
        _count(messages, receipts)
        return receipts

    async def _send(self, link: _Link, message: OutgoingMessage) -> Receipt:
        async with self._window:
            if message.message_id in self._in_flight:
                # aiormq finds the message behind a return frame by its id, so one at a time.
                busy = BrokerUnavailable(f"{message.message_id} is being sent already.")
                return Receipt(message.message_id, busy)
            self._in_flight.add(message.message_id)
            try:
                return await self._confirm(link, message)
            finally:
                self._in_flight.discard(message.message_id)

    async def _confirm(self, link: _Link, message: OutgoingMessage) -> Receipt:
        try:
            with broker_errors("publishing"):
                return await self._publish(link, message)
        except BrokerUnavailable as error:
            await self._drop(link, error)
            return Receipt(message.message_id, error)

    async def _publish(self, link: _Link, message: OutgoingMessage) -> Receipt:
        if not link.is_usable:
            raise BrokerUnavailable("The connection to RabbitMQ was lost, or is in an alarm.")
        try:
            async with asyncio.timeout(self._timeout):
                await link.publish(message)
        except PublishError as error:
            lost = BrokerUnavailable(f"No queue takes {message.routing_key}: {error!r}.")
            return Receipt(message.message_id, lost, unroutable=True)
        except DeliveryError as error:
            refused = BrokerUnavailable(f"RabbitMQ refused the message: {error!r}.")
            return Receipt(message.message_id, refused)
        self._failures = 0
        return Receipt(message.message_id)

    async def _usable_link(self) -> _Link:
        async with self._opening:
            link = self._link
            if link is not None and link.is_usable:
                return link
            if asyncio.get_running_loop().time() < self._not_before:
                raise BrokerUnavailable("RabbitMQ is away; the next attempt is not due yet.")
            try:
                self._link = await self._renewed(link)
            except BrokerUnavailable as error:
                self._back_off()
                log.warning("broker_unreachable", error=error.message, failures=self._failures)
                raise
            return self._link

    async def _renewed(self, link: _Link | None) -> _Link:
        """The same connection once its alarm is over, or another one."""
        if link is not None and link.is_open:
            with broker_errors("waiting for the end of its memory or disk alarm"):
                await link.until_unblocked(self._timeout)
            link.in_alarm = False
            return link
        await self.close()
        return await self._new_link()

    async def _new_link(self) -> _Link:
        connection = await open_connection(
            self._amqp_url, name=self._name, heartbeat=self._heartbeat, timeout=self._timeout
        )
        try:
            with broker_errors("opening a channel"):
                async with asyncio.timeout(self._timeout):
                    # Without on_return_raises a message nobody takes would count as sent.
                    channel = await connection.channel(on_return_raises=True)
                    underlay = cast("aiormq.Channel", await channel.get_underlay_channel())
        except BaseException:
            await close_connection(connection)
            raise
        return _Link(connection, channel, underlay)

    async def _drop(self, link: _Link, error: BrokerUnavailable) -> None:
        """Throw the connection away, except in an alarm: RabbitMQ would not even read our good-bye,
        and the next connection would be blocked like this one."""
        if self._link is not link or link.in_alarm:
            return
        self._back_off()
        log.warning("publishing_interrupted", error=error.message)
        if link.is_open and await link.is_blocked():
            link.in_alarm = True
            return
        self._link = None
        await close_connection(link.connection)

    def _back_off(self) -> None:
        """The first failure costs nothing: most often the next connection works."""
        self._failures += 1
        if self._failures > 1:
            longest = min(_FIRST_BACKOFF * 2 ** min(self._failures, 10), _LONGEST_BACKOFF)
            wait = longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
            self._not_before = asyncio.get_running_loop().time() + wait


def _properties(message: OutgoingMessage) -> aiormq.spec.Basic.Properties:
    return aiormq.spec.Basic.Properties(
        message_id=str(message.message_id),
        message_type=message.type,
        content_type="application/json",
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        headers=dict(message.headers),
        delivery_mode=DeliveryMode.PERSISTENT.value,
    )


def _count(messages: Sequence[OutgoingMessage], receipts: Sequence[Receipt]) -> None:
    for message, receipt in zip(messages, receipts, strict=True):
        counter = MESSAGES_PUBLISHED if receipt.confirmed else PUBLISH_FAILURES
        counter.labels(message.exchange or "default").inc()
