"""httpx's transport over aiohttp, exact about what was sent (docs/adr/0005-http-transport.md).

Errors before the first byte are ConnectError, ConnectTimeout or PoolTimeout and nothing else is;
every other httpx error means that the other side may have read the request. Two request
extensions beside httpx's own: `before_first_byte`, a callable that may raise to stop a request
after its connection was acquired, and `after_bytes`, one that is called when it has left.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from typing import Final, cast

import aiohttp
import httpx
import yarl
from typing_extensions import override

from shared.http.connector import Exchange, GatedConnector, current_exchange

BEFORE_FIRST_BYTE: Final = "before_first_byte"
AFTER_BYTES: Final = "after_bytes"

_LARGE_BODY: Final = 1024 * 1024
_TURNS_TO_LEAVE: Final = 10
"""Of the event loop: aiohttp writes in the first ones, and uvloop hands it on at a turn's end."""
_NOT_BY_ITSELF: Final = ("Content-Type", "User-Agent", "Accept", "Accept-Encoding")
"""Headers aiohttp would add on its own; a result link must travel without them."""


class _ConnectedError(Exception):
    pass


def _stop_here() -> None:
    raise _ConnectedError


class GatedTransport(httpx.AsyncBaseTransport):
    """One pool of connections; the session is opened by the first request, in its event loop."""

    def __init__(self, connector: Callable[[], GatedConnector]) -> None:
        self._make_connector = connector
        self._session: aiohttp.ClientSession | None = None

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        times = cast("dict[str, float | None]", request.extensions.get("timeout", {}))
        body = await request.aread()
        deadline = asyncio.timeout(None)
        exchange = Exchange(
            before_first_byte=request.extensions.get(BEFORE_FIRST_BYTE),
            on_sending=partial(_sending, deadline, times, request.extensions.get(AFTER_BYTES)),
        )
        mark = current_exchange.set(exchange)
        try:
            with _errors_of(exchange):
                async with deadline:
                    answer = await self._open_session().request(
                        request.method,
                        _exact_url(request.url),
                        headers=_headers(request),
                        data=_body(body),
                        allow_redirects=False,
                        timeout=_aiohttp_timeout(
                            times.get("pool"), times.get("connect"), times.get("read")
                        ),
                    )
        finally:
            current_exchange.reset(mark)
        return httpx.Response(
            status_code=answer.status,
            headers=list(answer.raw_headers),
            stream=_AnswerStream(answer, exchange),
            request=request,
            extensions={"http_version": b"HTTP/1.1"},
        )

    async def connect_ahead(self, request: httpx.Request) -> None:
        """Go as far as this request would before its first byte, then keep the connection."""
        request.extensions[BEFORE_FIRST_BYTE] = _stop_here
        with suppress(_ConnectedError):
            await self.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._make_connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=_NOT_BY_ITSELF,
                trust_env=False,
            )
        return self._session


class _AnswerStream(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse, exchange: Exchange) -> None:
        self._answer = answer
        self._exchange = exchange

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors_of(self._exchange):
            async for chunk in self._answer.content.iter_any():
                yield chunk

    @override
    async def aclose(self) -> None:
        # A body that was not read to its end closes the connection instead of draining it.
        self._answer.release()


def _body(content: bytes) -> bytes | io.BytesIO | None:
    # A body in one piece blocks the event loop while it is written; aiohttp warns from 1 MB on.
    return io.BytesIO(content) if len(content) >= _LARGE_BODY else content or None


def _headers(request: httpx.Request) -> list[tuple[str, str]]:
    # `Headers.items` lowers the names; these keep the spelling of Amazon's documents.
    return [(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw]


@lru_cache(maxsize=1024)
def _exact_url(url: httpx.URL) -> yarl.URL:
    # Part by part and already encoded: a second parse of the text could name another host, and
    # one changed escape breaks the signature of a pre-signed link.
    path, _, query = url.raw_path.decode("ascii").partition("?")
    return yarl.URL.build(
        scheme=url.scheme,
        host=url.raw_host.decode("ascii"),
        port=url.port,
        path=path,
        query_string=query,
        encoded=True,
    )


@lru_cache(maxsize=64)
def _aiohttp_timeout(
    pool: float | None, connect: float | None, read: float | None
) -> aiohttp.ClientTimeout:
    both = None if pool is None or connect is None else pool + connect
    return aiohttp.ClientTimeout(total=None, connect=both, sock_connect=connect, sock_read=read)


def _sending(
    deadline: asyncio.Timeout,
    times: dict[str, float | None],
    after_bytes: Callable[[], None] | None,
) -> None:
    deadline.reschedule(_answer_due(times))
    if after_bytes is not None:
        _in_turns(_TURNS_TO_LEAVE, after_bytes)


def _in_turns(turns: int, call: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    if turns == 0:
        call()
    else:
        loop.call_soon(_in_turns, turns - 1, call)


def _answer_due(times: dict[str, float | None]) -> float | None:
    # aiohttp has no limit for writing; this one covers writing and the wait for the headers.
    write, read = times.get("write"), times.get("read")
    if write is None or read is None:
        return None
    return asyncio.get_running_loop().time() + write + read


@contextmanager
def _errors_of(exchange: Exchange) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        kind = _after(error) if exchange.sending else _before(error)
        raise kind(f"{type(error).__name__}: {error}") from error


def _before(error: Exception) -> type[httpx.TransportError]:
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return httpx.UnsupportedProtocol
    # aiohttp does not tell a full pool from a slow server; neither sent anything.
    return httpx.ConnectTimeout if isinstance(error, TimeoutError) else httpx.ConnectError


def _after(error: Exception) -> type[httpx.TransportError]:
    match error:
        case aiohttp.SocketTimeoutError():
            return httpx.ReadTimeout
        case TimeoutError():
            return httpx.WriteTimeout
        case (
            aiohttp.ServerDisconnectedError()
            | aiohttp.ClientResponseError()
            | aiohttp.ClientPayloadError()
        ):
            return httpx.RemoteProtocolError
        case _:
            return httpx.ReadError
