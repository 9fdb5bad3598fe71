"""Connections that know the moment before the first byte, so that a caller can still say no.

aiohttp hands a connection to a request in one place, `connect`. Stopping there is exact: the
connection is open (TLS included) or came from the pool, and nothing of the request was written.
A refused connection goes back to the pool whole.
"""

import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from typing_extensions import override

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import AddrInfoType, Connection
    from aiohttp.tracing import Trace


@dataclass(slots=True)
class Exchange:
    """One request on its way: may it be sent, and was it?"""

    before_first_byte: Callable[[], None] | None = None
    on_sending: Callable[[], None] | None = None
    sending: bool = False
    """From here on the other side may have read something, whatever happens next."""


current_exchange: ContextVar[Exchange] = ContextVar("current_exchange")


class GatedConnector(aiohttp.TCPConnector):
    """A pool that asks the current exchange's gate after acquiring, before anything is written.

    aiohttp repeats GET, PUT and DELETE by itself when a kept connection turns out dead. Here a
    second connect within one exchange is refused: each attempt has a permit of its own, so only
    the caller may repeat.
    """

    @override
    async def connect(
        self, req: "ClientRequest", traces: list["Trace"], timeout: "ClientTimeout"
    ) -> "Connection":
        exchange = current_exchange.get()
        if exchange.sending:
            raise aiohttp.ServerDisconnectedError("the connection was closed under the request")
        connection = await super().connect(req, traces, timeout)
        try:
            if exchange.before_first_byte is not None:
                exchange.before_first_byte()
        except BaseException:
            connection.release()
            raise
        exchange.sending = True
        if exchange.on_sending is not None:
            exchange.on_sending()
        return connection


def gated_connector(
    *,
    keepalive_expiry: timedelta,
    max_connections: int,
    tcp_user_timeout: timedelta | None = None,
    resolver: AbstractResolver | None = None,
    tls: ssl.SSLContext | None = None,
) -> GatedConnector:
    """Must be called with the event loop running that will use it.

    Without `tls`, certificates are verified against the Mozilla list that httpx brings along:
    the same on every machine, also in an image without a system-wide list."""
    return GatedConnector(
        ssl=tls or httpx.create_ssl_context(trust_env=False),
        keepalive_timeout=keepalive_expiry.total_seconds(),
        limit=max_connections,
        resolver=resolver,
        ttl_dns_cache=30,
        socket_factory=_socket_factory(tcp_user_timeout),
    )


def _socket_factory(
    tcp_user_timeout: timedelta | None,
) -> "Callable[[AddrInfoType], socket.socket]":
    # Without TCP_USER_TIMEOUT (RFC 5482) the kernel goes on delivering what was written for many
    # minutes after the link broke, or the process died: long after the settle time has passed.
    option = getattr(socket, "TCP_USER_TIMEOUT", None)

    def make(address: "AddrInfoType") -> socket.socket:
        family, kind, protocol, _, _ = address
        sock = socket.socket(family, kind, protocol)
        if option is not None and tcp_user_timeout is not None:
            millis = int(tcp_user_timeout.total_seconds() * 1000)
            sock.setsockopt(socket.IPPROTO_TCP, option, millis)
        return sock

    return make
