"""The broker's exchanges and queues: the only place that names them.

Every queue is a durable quorum queue and declared alike on RabbitMQ 3.10 to 4.x; what one version
alone understands belongs into a broker policy. The migration step declares, a service only
verifies, so that no service can create half a topology or one with other arguments.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from aio_pika.abc import AbstractChannel, AbstractConnection, ExchangeType
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from pamqp.common import Arguments

from shared.domain.errors import InvalidRequest, NotFound
from shared.messaging.connection import broker_errors, connection_to

DECLARE_COMMAND: Final = "make migrate"
_RPC_SECONDS: Final = 10.0

# A command that killed its worker this often is set aside. Written out because the default
# differs: none up to 3.13, 20 from 4.0.
_DELIVERY_LIMIT: Final = 20
# RabbitMQ 4 drops what it has delivered 20 times from a queue without a limit of its own; nothing
# may ever be dropped from a dead-letter queue.
_NEVER: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: ExchangeType


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue; `dead` names where its hopeless messages go, None if it is such."""

    name: str
    exchange: str
    """Empty: reachable by its own name through the default exchange only."""
    routing_key: str
    dead_exchange: str | None = None

    @property
    def dead(self) -> str | None:
        """The name of its dead-letter queue."""
        return None if self.dead_exchange is None else f"{self.name}.dead"

    @property
    def arguments(self) -> Arguments:
        """What RabbitMQ compares at every declaration: changing one means a new queue name."""
        if self.dead_exchange is None:
            return {"x-queue-type": "quorum", "x-delivery-limit": _NEVER}
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": _DELIVERY_LIMIT,
            "x-dead-letter-exchange": self.dead_exchange,
            "x-dead-letter-routing-key": self.name,
            # At-least-once holds only together with reject-publish; otherwise RabbitMQ falls back
            # to at-most-once with nothing but a line in its log.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }


@dataclass(frozen=True, slots=True)
class Topology:
    """All exchanges and queues; `prefix` keeps tests on one broker apart."""

    prefix: str = ""

    @property
    def commands(self) -> Exchange:
        return Exchange(f"{self.prefix}amc.commands", ExchangeType.DIRECT)

    @property
    def events(self) -> Exchange:
        return Exchange(f"{self.prefix}amc.events", ExchangeType.TOPIC)

    @property
    def dead(self) -> Exchange:
        return Exchange(f"{self.prefix}amc.dead", ExchangeType.DIRECT)

    @property
    def submit_execution(self) -> Queue:
        return self._commands_to("submitter", "submit_execution")

    @property
    def cancel_execution(self) -> Queue:
        return self._commands_to("submitter", "cancel_execution")

    @property
    def reconcile_execution(self) -> Queue:
        return self._commands_to("submitter", "reconcile_execution")

    @property
    def poll_instance(self) -> Queue:
        return self._commands_to("poller", "poll_instance")

    @property
    def download_result(self) -> Queue:
        return self._commands_to("downloader", "download_result")

    @property
    def refresh_credential(self) -> Queue:
        return self._commands_to("token_refresher", "refresh_credential")

    @property
    def intake(self) -> Queue:
        """Where other programs put their requests; the scheduler takes them out."""
        name = f"{self.prefix}amcflow.requests"
        return Queue(name, "", name, self.dead.name)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        return (self.commands, self.events, self.dead)

    @property
    def work_queues(self) -> tuple[Queue, ...]:
        """Queues with a handler each: the commands and the intake."""
        return (
            self.submit_execution,
            self.cancel_execution,
            self.reconcile_execution,
            self.poll_instance,
            self.download_result,
            self.refresh_credential,
            self.intake,
        )

    @property
    def dead_queues(self) -> tuple[Queue, ...]:
        """One for each work queue; the scheduler records what arrives in them."""
        return tuple(dead_letters_of(queue) for queue in self.work_queues)

    def _commands_to(self, consumer: str, command: str) -> Queue:
        name = f"{self.prefix}{consumer}.{command}"
        return Queue(name, self.commands.name, command, self.dead.name)


def dead_letters_of(queue: Queue) -> Queue:
    """The queue its dead letters end in, by rejection of the broker and by our own parking."""
    if queue.dead is None or queue.dead_exchange is None:
        raise ValueError(f"{queue.name} is a dead-letter queue itself")
    return Queue(queue.dead, queue.dead_exchange, queue.name)


async def declare(channel: AbstractChannel, topology: Topology) -> None:
    """Create what is missing; harmless to repeat, InvalidRequest if something differs."""
    for exchange in topology.exchanges:
        await channel.declare_exchange(
            exchange.name, exchange.type, durable=True, timeout=_RPC_SECONDS
        )
    # Dead-letter queues first: from its first message on, a work queue has where to put it.
    for queue in (*topology.dead_queues, *topology.work_queues):
        await declare_queue(channel, queue)


async def declare_queue(channel: AbstractChannel, queue: Queue) -> None:
    """Create one queue and its binding."""
    try:
        declared = await channel.declare_queue(
            queue.name, durable=True, arguments=queue.arguments, timeout=_RPC_SECONDS
        )
    except ChannelPreconditionFailed as error:
        raise InvalidRequest(
            f"RabbitMQ has a queue {queue.name} with other arguments: {error}.",
            hint=f"Empty and delete that queue, then run `{DECLARE_COMMAND}`.",
        ) from error
    if queue.exchange:
        await declared.bind(queue.exchange, queue.routing_key, timeout=_RPC_SECONDS)


async def verify(connection: AbstractConnection, topology: Topology) -> None:
    """Raise NotFound, one sentence with the name and the remedy, unless all of it is there."""
    channel = await connection.channel()
    for exchange in topology.exchanges:
        with _missing("exchange", exchange.name):
            await channel.get_exchange(exchange.name)
    for queue in (*topology.work_queues, *topology.dead_queues):
        with _missing("queue", queue.name):
            await channel.get_queue(queue.name)
    await channel.close()


@contextmanager
def _missing(kind: str, name: str) -> Iterator[None]:
    try:
        yield
    except ChannelNotFoundEntity as error:
        raise NotFound(f"RabbitMQ has no {kind} {name}; run `{DECLARE_COMMAND}` first.") from error


async def declare_at(amqp_url: str, topology: Topology) -> None:
    """Declare over a connection of its own; BrokerUnavailable if there is no broker."""
    async with connection_to(amqp_url, name="amcflow declare") as connection:
        with broker_errors("declaring the topology"):
            await declare(await connection.channel(), topology)


async def verify_at(amqp_url: str, topology: Topology) -> None:
    """Verify over a connection of its own; BrokerUnavailable if there is no broker."""
    async with connection_to(amqp_url, name="amcflow verify") as connection:
        with broker_errors("looking at the topology"):
            await verify(connection, topology)
