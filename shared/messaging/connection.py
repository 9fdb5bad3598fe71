"""Opening and closing plain connections to the broker, and the translation of aio-pika's errors.

Plain connections, never robust ones: after a surprise the robust client restores its objects one
by one behind our back, with states in between (a channel without its consumer, a publish that
waits for a reconnect outside its timeout). Here whoever owns a connection throws all of it away at
the first surprise and opens another.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import aiormq
from aio_pika.abc import AbstractConnection
from aio_pika.connection import Connection, make_url
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from shared.domain.errors import BrokerUnavailable

# RabbitMQ ends a connection after two silent intervals, aiormq after three.
HEARTBEAT_SECONDS: Final = 10
OPEN_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 1.0

# Frames that wait to be written. At ten, aiormq's own bound, the messages of a larger batch wait
# for a place one after the other: each leaves in a packet, and gets a confirm, of its own. What
# waits is bounded by the publisher's window, and elsewhere by the messages in hand.
aiormq.Connection.FRAME_BUFFER_SIZE = 1_000


@contextmanager
def broker_errors(doing: str) -> Iterator[None]:
    """Turn whatever the client raises into BrokerUnavailable.

    A dying connection cancels the futures its callers wait on, so a CancelledError that nobody
    asked this task for is the broker's failure too.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise BrokerUnavailable(f"RabbitMQ went away while {doing}.") from error
    except TimeoutError as error:
        raise BrokerUnavailable(f"RabbitMQ did not answer in time while {doing}.") from error
    except CONNECTION_EXCEPTIONS as error:
        raise BrokerUnavailable(f"RabbitMQ failed while {doing}: {error!r}.") from error


async def open_connection(
    amqp_url: str,
    *,
    name: str,
    heartbeat: int = HEARTBEAT_SECONDS,
    timeout: float = OPEN_SECONDS,  # noqa: ASYNC109 - a settings value, applied below
) -> AbstractConnection:
    """A connection under `name` in RabbitMQ's own lists; BrokerUnavailable says which address."""
    url = make_url(amqp_url, heartbeat=heartbeat)
    connection = Connection(url, client_properties={"connection_name": name})
    try:
        with broker_errors(f"connecting to {url.host}:{url.port or 5672}"):
            async with asyncio.timeout(timeout):
                await connection.connect()
    except BaseException:
        # One that never connected would otherwise start a task when it is collected, wherever.
        await connection.close()
        raise
    return connection


async def close_connection(connection: AbstractConnection) -> None:
    """Close without raising and without hanging on a peer that does not answer."""
    try:
        with broker_errors("closing the connection"):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await connection.close()
    except BrokerUnavailable:
        # The transport is forgotten by now, so this only settles the object itself.
        await connection.close()


@asynccontextmanager
async def connection_to(amqp_url: str, *, name: str) -> AsyncIterator[AbstractConnection]:
    """A connection for one short piece of work."""
    connection = await open_connection(amqp_url, name=name)
    try:
        yield connection
    finally:
        await close_connection(connection)
