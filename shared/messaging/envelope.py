"""Messages with everything around the body: what goes to the broker, and what comes from it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from aiormq.abc import DeliveredMessage

from shared.domain.ids import new_uuid
from shared.messaging.messages import Command, ExecutionChanged, Message
from shared.messaging.topology import Topology

HeaderValue = str | int | float | bool

ATTEMPT_HEADER: Final = "x-attempt"
DEAD_REASON_HEADER: Final = "x-dead-reason"
DEAD_DETAIL_HEADER: Final = "x-dead-detail"
DEAD_QUEUE_HEADER: Final = "x-dead-queue"
OWNER_HEADER: Final = "x-owner"
"""Who asks: a request keeps it whenever it comes again, because its request id is known by it."""
REDRIVE_HEADER: Final = "amcflow-redrive"
"""On a parked message that a person has sent again: which time that was."""
_BROKERS_REASON_HEADER: Final = "x-first-death-reason"
_RETURNED_HEADER: Final = "x-delivery-count"
_LARGEST_ATTEMPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """What the publisher sends; a `mandatory` one that no queue takes is a failure."""

    message_id: UUID
    exchange: str
    routing_key: str
    type: str
    body: bytes
    correlation_id: str | None = None
    headers: Mapping[str, HeaderValue] = field(default_factory=dict)
    reply_to: str | None = None
    mandatory: bool = True


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """What the consumer hands to a handler that asks for more than the decoded body."""

    queue: str
    message_id: str
    type: str
    body: bytes
    correlation_id: str | None
    reply_to: str | None
    headers: Mapping[str, HeaderValue]
    redelivered: bool
    acknowledge: Callable[[], Awaitable[None]]
    """Tell the broker now that a row guards the work from here on; the verdict then acks no more.
    For work of minutes: RabbitMQ closes channels whose deliveries wait for half an hour."""

    @property
    def attempt(self) -> int:
        """1 for the first; counts postponements, not redeliveries by the broker."""
        value = self.headers.get(ATTEMPT_HEADER)
        return min(max(value, 1), _LARGEST_ATTEMPT) if isinstance(value, int) else 1

    @property
    def dead_reason(self) -> str | None:
        """Why it lies in a dead-letter queue: a code of ours, or the broker's word."""
        reason = self.headers.get(DEAD_REASON_HEADER, self.headers.get(_BROKERS_REASON_HEADER))
        return None if reason is None else str(reason)

    @property
    def returned_count(self) -> int:
        """How often it went back to its queue, whoever returned it and whyever."""
        count = self.headers.get(_RETURNED_HEADER, 0)
        return count if isinstance(count, int) else 0

    def again(self, *, attempt: int) -> OutgoingMessage:
        """The same message for the same queue alone, as the given attempt."""
        headers = {
            name: value
            for name, value in self.headers.items()
            if name == OWNER_HEADER or not name.startswith("x-")
        }
        return OutgoingMessage(
            message_id=self.uuid,
            exchange="",
            routing_key=self.queue,
            type=self.type,
            body=self.body,
            correlation_id=self.correlation_id,
            headers={**headers, ATTEMPT_HEADER: attempt},
            reply_to=self.reply_to,
        )

    @property
    def uuid(self) -> UUID:
        """Its message id as a UUID; other programs may use ids of any form."""
        try:
            return UUID(self.message_id)
        except ValueError:
            return uuid5(NAMESPACE_OID, self.message_id)


def received(
    incoming: DeliveredMessage, queue: str, acknowledge: Callable[[], Awaitable[None]]
) -> ReceivedMessage:
    """The broker's delivery without the client library's types.

    Structured headers (`x-death` above all) stay behind: RabbitMQ up to 3.13 interprets them when
    they come back in a publish.
    """
    properties = incoming.header.properties
    return ReceivedMessage(
        queue=queue,
        message_id=properties.message_id or str(new_uuid()),
        type=properties.message_type or "",
        body=incoming.body,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        headers={
            name: value
            for name, value in (properties.headers or {}).items()
            if isinstance(value, str | int | float | bool)
        },
        redelivered=bool(incoming.redelivered),
        acknowledge=acknowledge,
    )


def command(
    message: Command,
    topology: Topology,
    *,
    message_id: UUID | None = None,
    correlation_id: str | None = None,
) -> OutgoingMessage:
    """A command on its way to the service that carries it out."""
    return OutgoingMessage(
        message_id=message_id or new_uuid(),
        exchange=topology.commands.name,
        routing_key=message.ROUTING_KEY,
        type=message.TYPE,
        body=message.encode(),
        correlation_id=correlation_id,
    )


def event(
    message: ExecutionChanged,
    topology: Topology,
    *,
    message_id: UUID | None = None,
    correlation_id: str | None = None,
) -> OutgoingMessage:
    """A state change for whoever listens; that nobody does is no failure."""
    return OutgoingMessage(
        message_id=message_id or new_uuid(),
        exchange=topology.events.name,
        routing_key=message.routing_key,
        type=message.TYPE,
        body=message.encode(),
        correlation_id=correlation_id,
        mandatory=False,
    )


def to_queue(
    message: Message,
    queue: str,
    *,
    correlation_id: str | None = None,
) -> OutgoingMessage:
    """A message straight into one queue, by its name."""
    return OutgoingMessage(
        message_id=new_uuid(),
        exchange="",
        routing_key=queue,
        type=message.TYPE,
        body=message.encode(),
        correlation_id=correlation_id,
    )
