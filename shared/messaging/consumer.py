"""The only consuming loop: receive, decode, call the handler, judge, answer, one line of log.

Each lane is a task of our own TaskGroup that works on one message at a time, so a lost connection
(aiormq cancels whatever runs in its own tasks) never cancels a handler: it runs to its end, only
its answer is lost, and the broker delivers the message again, which handlers stand. This and
`shared.runtime`'s outermost frame are the only places that catch every exception.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol

from aiormq.abc import DeliveredMessage

from shared.domain.errors import AmcflowError, BrokerUnavailable, DatabaseUnavailable
from shared.messaging.envelope import (
    DEAD_DETAIL_HEADER,
    DEAD_QUEUE_HEADER,
    DEAD_REASON_HEADER,
    OutgoingMessage,
    ReceivedMessage,
    received,
)
from shared.messaging.keeper import Health, SessionKeeper
from shared.messaging.options import ConsumerOptions
from shared.messaging.publisher import Publisher
from shared.messaging.routes import Route, Routes, Work
from shared.messaging.session import Session, Subscription, acknowledge, give_back
from shared.messaging.topology import Queue
from shared.messaging.verdict import Action, Verdict, judge
from shared.observability.logs import bound, get_logger
from shared.observability.metrics import HANDLER_SECONDS, MESSAGES_HANDLED
from shared.observability.stop_points import StopPoint, reach

log = get_logger()

_DETAIL_LENGTH: Final = 1_000
_OFTEN_RETURNED: Final = 10
"""Half of what `topology` allows before RabbitMQ parks a message."""


class Postponer(Protocol):
    """Brings a message back later; a row in the database does the waiting."""

    async def postpone(
        self, message: ReceivedMessage, *, wait: timedelta, attempt: int, reason: str
    ) -> None:
        """Durable when it returns; `message.again(attempt=attempt)` is what to publish then."""


Refusal = Callable[[ReceivedMessage, AmcflowError], Awaitable[None]]


class Consumer:
    """Handles the messages of its queues from `run` until the stop event.

    `healthy` tells whether the database can be used again, after a DatabaseUnavailable made
    consuming pause. `on_refused` answers the sender of a message that is about to be parked.
    """

    def __init__(
        self,
        amqp_url: str,
        queues: Sequence[Queue],
        routes: Sequence[Route],
        *,
        postponer: Postponer,
        publisher: Publisher,
        healthy: Health,
        on_refused: Refusal | None = None,
        options: ConsumerOptions | None = None,
    ) -> None:
        self._amqp_url = amqp_url
        self._queues = tuple(queues)
        self._options = options or ConsumerOptions()
        self._routes = Routes(routes, default_type=self._options.default_type)
        self._postponer = postponer
        self._publisher = publisher
        self._on_refused = on_refused
        self._keeper = SessionKeeper(amqp_url, self._queues, self._options, healthy=healthy)

    @property
    def alive(self) -> bool:
        """Whether messages would be received now; false while the database is away, too."""
        return self._keeper.is_open

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`, then finish what is in hand within the grace; runs once."""
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keeper.run())
                lanes = [
                    group.create_task(self._lane(queue))
                    for queue in self._queues
                    for _ in range(self._options.concurrency)
                ]
                await stop.wait()
                self._keeper.stop()
                _, late = await asyncio.wait(lanes, timeout=self._options.grace.total_seconds())
                for task in (*late, keeping):
                    task.cancel()
        finally:
            await self._keeper.close()

    async def _lane(self, queue: Queue) -> None:
        while (session := await self._keeper.session()) is not None:
            try:
                await self._work_on(session, queue)
            except BrokerUnavailable as error:
                session.lose(error.message)

    async def _work_on(self, session: Session, queue: Queue) -> None:
        async with session.subscribe(queue.name) as subscription:
            while (incoming := await subscription.next()) is not None:
                await self._handle(incoming, queue, subscription)

    async def _handle(
        self, incoming: DeliveredMessage, queue: Queue, subscription: Subscription
    ) -> None:
        delivery = _Delivery(incoming, subscription)
        message = received(incoming, queue.name, delivery.acknowledge)
        reach(StopPoint.CONSUMER_RECEIVED)
        started = time.monotonic()
        work, error = self._decode(message)
        context = {"message_id": message.message_id, "correlation_id": message.correlation_id}
        with bound(**context, **(work.ids if work else {})):
            if work is not None:
                error = await _carry_out(work)
            limit = self._options.max_attempts if queue.dead else None
            verdict = judge(error, attempt=message.attempt, max_attempts=limit)
            seconds = time.monotonic() - started
            verdict = await self._answer(delivery, message, verdict, queue=queue, error=error)
            HANDLER_SECONDS.labels(queue.name).observe(seconds)
            MESSAGES_HANDLED.labels(queue.name, verdict.action).inc()
            _log_line(message, verdict, error, seconds)

    def _decode(self, message: ReceivedMessage) -> tuple[Work | None, Exception | None]:
        try:
            return self._routes.work_for(message), None
        except AmcflowError as error:
            return None, error

    async def _answer(
        self,
        delivery: "_Delivery",
        message: ReceivedMessage,
        verdict: Verdict,
        *,
        queue: Queue,
        error: Exception | None,
    ) -> Verdict:
        """Do what the verdict says; what cannot be recorded now makes it a return."""
        try:
            if verdict.action is Action.PARK:
                await self._park(message, verdict, queue=queue, error=error)
                reach(StopPoint.CONSUMER_PARKED)
            elif verdict.action is Action.POSTPONE:
                await self._postponer.postpone(
                    message, wait=verdict.wait, attempt=message.attempt + 1, reason=verdict.reason
                )
                reach(StopPoint.CONSUMER_POSTPONED)
        except Exception as failure:  # noqa: BLE001 - the consumer edge
            verdict = _unrecorded(failure)
        if verdict.action is Action.RETURN:
            if verdict.reason == DatabaseUnavailable.code:
                self._keeper.pause()
                await self._send_anew_if_often_returned(delivery, message)
            await delivery.give_back()
        else:
            await delivery.finish()
        return verdict

    async def _send_anew_if_often_returned(
        self, delivery: "_Delivery", message: ReceivedMessage
    ) -> None:
        """RabbitMQ before 4.3 counts each return towards the limit that is meant for messages that
        kill their worker. Long before that a copy, which begins at nought, takes its place; dying
        between the two leaves both, which every handler stands."""
        if message.returned_count < _OFTEN_RETURNED:
            return
        await delivery.release()
        try:
            await self._publisher.publish(message.again(attempt=message.attempt))
        except BrokerUnavailable as error:
            log.warning("message_not_sent_anew", error=error.message)
        else:
            await delivery.finish()

    async def _park(
        self,
        message: ReceivedMessage,
        verdict: Verdict,
        *,
        queue: Queue,
        error: Exception | None,
    ) -> None:
        if isinstance(error, AmcflowError) and self._on_refused is not None:
            await self._on_refused(message, error)
        await self._publisher.publish(_parked(message, verdict, queue=queue, error=error))


class _Delivery:
    """One delivery, answered once."""

    def __init__(self, incoming: DeliveredMessage, subscription: Subscription) -> None:
        self._incoming = incoming
        self._subscription = subscription
        self._answered = False

    async def acknowledge(self) -> None:
        """Ack ahead of the verdict; the lane receives nothing more until its handler ends."""
        if not self._answered:
            self._answered = True
            await self._subscription.cancel()
            await acknowledge(self._incoming)

    async def finish(self) -> None:
        if self._answered:
            return
        if self._subscription.is_ended:
            # Otherwise the ack would bring the next message, only for it to be given back.
            await self._subscription.cancel()
        self._answered = True
        if not await acknowledge(self._incoming):
            log.warning("acknowledgement_lost")

    async def release(self) -> None:
        """No lane of this process that is about to pause takes what is returned next."""
        await self._subscription.cancel()

    async def give_back(self) -> None:
        if not self._answered:
            self._answered = True
            await self.release()
            await give_back(self._incoming)


async def _carry_out(work: Work) -> Exception | None:
    """Run the handler to its end; how it ended, unless this very task was cancelled."""
    try:
        await work.run()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # A library cancelled a future of its own under the handler (aiormq does).
        bug = RuntimeError("something the handler awaited was cancelled")
        bug.__cause__ = error
        return bug
    except Exception as error:  # noqa: BLE001 - the consumer edge
        return error
    return None


def _unrecorded(failure: Exception) -> Verdict:
    """Neither parked nor postponed: the message goes back, and the delivery limit bounds it."""
    if isinstance(failure, AmcflowError):
        return Verdict(Action.RETURN, failure.code)
    log.error("verdict_not_recorded", exc_info=failure)
    return Verdict(Action.RETURN, "bug", is_bug=True)


def _parked(
    message: ReceivedMessage, verdict: Verdict, *, queue: Queue, error: Exception | None
) -> OutgoingMessage:
    return OutgoingMessage(
        message_id=message.uuid,
        exchange=queue.dead_exchange or "",
        routing_key=queue.name,
        type=message.type,
        body=message.body,
        correlation_id=message.correlation_id,
        headers={
            **message.again(attempt=message.attempt).headers,
            DEAD_REASON_HEADER: verdict.reason,
            DEAD_DETAIL_HEADER: f"{error!r}"[:_DETAIL_LENGTH],
            DEAD_QUEUE_HEADER: queue.name,
        },
        reply_to=message.reply_to,
    )


def _log_line(
    message: ReceivedMessage, verdict: Verdict, error: Exception | None, seconds: float
) -> None:
    write = log.error if verdict.is_bug else log.info
    write(
        "message_handled",
        queue=message.queue,
        type=message.type,
        verdict=verdict.action,
        reason=verdict.reason,
        detail=str(error)[:_DETAIL_LENGTH] if error else None,
        attempt=message.attempt,
        redelivered=message.redelivered,
        duration_ms=round(seconds * 1000, 1),
        exc_info=error if verdict.is_bug else None,
    )
