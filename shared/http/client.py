"""Builds every HTTP client of the system, one per purpose, so that no pool can starve another.

All clients refuse redirects and the proxy variables of the environment, have four timeouts, and
drop a kept connection before the server would: a request written into a connection that the
server is just closing is in doubt, and for a create that costs a reconciliation.
"""

import ssl
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import httpx
from aiohttp.abc import AbstractResolver
from typing_extensions import override

from shared.http.addresses import PublicResolver
from shared.http.connector import gated_connector
from shared.http.transport import GatedTransport

KEEPALIVE_EXPIRY = timedelta(seconds=20)
TCP_USER_TIMEOUT = timedelta(seconds=20)
"""Part of the settle time: what the kernel may still deliver after a connection broke."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each step of one request may take; the read one is per wait, not per body."""

    connect: timedelta = timedelta(seconds=5)
    read: timedelta = timedelta(seconds=30)
    write: timedelta = timedelta(seconds=10)
    pool: timedelta = timedelta(seconds=5)


class GatedClient(httpx.AsyncClient):
    """httpx's client over our transport; able to connect before there is anything to send."""

    def __init__(self, transport: GatedTransport, timeouts: Timeouts) -> None:
        super().__init__(
            transport=transport,
            timeout=httpx.Timeout(
                connect=timeouts.connect.total_seconds(),
                read=timeouts.read.total_seconds(),
                write=timeouts.write.total_seconds(),
                pool=timeouts.pool.total_seconds(),
            ),
            headers={"User-Agent": "amcflow", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
        )
        self._gated_transport = transport

    @override
    async def send(
        self, request: httpx.Request, *, stream: bool = False, **_unused: object
    ) -> httpx.Response:
        """Straight to the transport: httpx's steps for logins, redirects and cookies, all of which
        these clients refuse, cost a sixth of a call."""
        if self.is_closed:
            raise RuntimeError("the client has been closed")
        try:
            response = await self._gated_transport.handle_async_request(request)
        except httpx.RequestError as error:
            error.request = request
            raise
        if not stream:
            try:
                await response.aread()
            finally:
                await response.aclose()
        return response

    async def connect_ahead(self, url: str) -> None:
        """Make sure a connection to this host is kept; sends nothing. Errors as for a request."""
        await self._gated_transport.connect_ahead(self.build_request("HEAD", url))


def amc_client(
    timeouts: Timeouts,
    *,
    keepalive_expiry: timedelta = KEEPALIVE_EXPIRY,
    tcp_user_timeout: timedelta = TCP_USER_TIMEOUT,
    max_connections: int = 100,
    tls: ssl.SSLContext | None = None,
) -> GatedClient:
    """For AMC's own API."""
    return _client(
        timeouts,
        keepalive_expiry=keepalive_expiry,
        max_connections=max_connections,
        tcp_user_timeout=tcp_user_timeout,
        tls=tls,
    )


def login_client(
    timeouts: Timeouts,
    *,
    keepalive_expiry: timedelta = KEEPALIVE_EXPIRY,
    max_connections: int = 10,
    tls: ssl.SSLContext | None = None,
) -> GatedClient:
    """For Login with Amazon."""
    return _client(
        timeouts, keepalive_expiry=keepalive_expiry, max_connections=max_connections, tls=tls
    )


def result_client(
    timeouts: Timeouts,
    *,
    keepalive_expiry: timedelta = KEEPALIVE_EXPIRY,
    max_connections: int = 50,
    public_addresses_only: bool,
    tls: ssl.SSLContext | None = None,
) -> GatedClient:
    """For pre-signed result links; `public_addresses_only` is false only for a simulator."""
    return _client(
        timeouts,
        keepalive_expiry=keepalive_expiry,
        max_connections=max_connections,
        resolver=PublicResolver() if public_addresses_only else None,
        tls=tls,
    )


def _client(
    timeouts: Timeouts,
    *,
    keepalive_expiry: timedelta,
    max_connections: int,
    tcp_user_timeout: timedelta | None = None,
    resolver: AbstractResolver | None = None,
    tls: ssl.SSLContext | None,
) -> GatedClient:
    connector = partial(
        gated_connector,
        keepalive_expiry=keepalive_expiry,
        max_connections=max_connections,
        tcp_user_timeout=tcp_user_timeout,
        resolver=resolver,
        tls=tls,
    )
    return GatedClient(GatedTransport(connector), timeouts)
