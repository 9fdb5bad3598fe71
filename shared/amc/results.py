"""Fetches one part of a result from its pre-signed link, as a stream of CSV bytes.

Nothing of ours goes along: no token, no Ads headers. A body that is shorter than announced is
ResultUnavailable, never a short result. Links are not logged; messages carry no part of them.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx

from shared.amc.gunzip import MAGIC, Gunzip, UnpackLimits
from shared.amc.link_policy import LinkPolicy
from shared.amc.retry_after import retry_after
from shared.domain.clock import utc_now
from shared.domain.errors import (
    AmcflowError,
    ResultGone,
    ResultMalformed,
    ResultTooLarge,
    ResultUnavailable,
)

_OK: Final = 200
_ERROR_BYTES: Final = 4096
_EXPIRED: Final = re.compile(rb"expired|ExpiredToken", re.IGNORECASE)


@dataclass(slots=True)
class ResultPart:
    """An open download: iterate once, to the end."""

    chunks: AsyncGenerator[bytes, None]
    content_length: int | None
    """Bytes on the wire, as announced; the unpacked size may be larger."""


@dataclass(frozen=True, slots=True)
class ResultStore:
    """Where AMC puts results; the client is one of `shared.http.client.result_client`."""

    http: httpx.AsyncClient
    policy: LinkPolicy
    limits: UnpackLimits = field(default_factory=UnpackLimits)

    @asynccontextmanager
    async def open(self, link: str) -> AsyncIterator[ResultPart]:
        """ResultUnavailable: ask for a new link. ResultGone, ResultMalformed, ResultTooLarge and
        ResultLinkRefused are final. All but the last may also come while iterating."""
        url = self.policy.check(link)
        request = httpx.Request(
            "GET",
            url,
            headers={"Accept-Encoding": "identity"},
            extensions={"timeout": self.http.timeout.as_dict()},
        )
        response = await self._send(request)
        try:
            if response.status_code != _OK:
                raise await _refusal(response)
            length = _announced(response)
            chunks = _unpacked(response, length, self.limits)
            async with aclosing(chunks):
                yield ResultPart(chunks, length)
        finally:
            await response.aclose()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self.http.send(request, stream=True)
        except httpx.HTTPError as error:
            raise _broken(error) from None


async def _unpacked(
    response: httpx.Response, length: int | None, limits: UnpackLimits
) -> AsyncGenerator[bytes, None]:
    gunzip: Gunzip | None = None
    received = 0
    async for chunk in _raw(response):
        if received == 0 and (_says_gzip(response) or chunk.startswith(MAGIC)):
            gunzip = Gunzip(limits)
        received += len(chunk)
        if received > limits.max_bytes:
            raise ResultTooLarge(f"The result is larger than {limits.max_bytes} bytes.")
        for piece in (chunk,) if gunzip is None else gunzip.feed(chunk):
            yield piece
    if length is not None and received != length:
        raise ResultUnavailable(f"The download broke off at {received} of {length} bytes.")
    for piece in () if gunzip is None else gunzip.finish():
        yield piece


async def _raw(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    # The first chunk holds both bytes of gzip's mark, however the network cut it.
    held: bytes | None = b""
    try:
        async for chunk in response.aiter_raw():
            if held is None:
                yield chunk
            elif len(held := held + chunk) >= len(MAGIC):
                yield held
                held = None
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise _broken(error) from None
    if held:
        yield held


def _announced(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length")
    if text is not None and text.isascii() and text.isdigit() and len(text) < 20:  # noqa: PLR2004 - fits 64 bits
        return int(text)
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        return None
    raise ResultUnavailable("The result store does not say how long the result is.")


def _says_gzip(response: httpx.Response) -> bool:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"", "identity", "aws-chunked"}:
        return False
    if encoding not in {"gzip", "x-gzip"}:
        raise ResultMalformed(f"The result is packed as {encoding[:40]!r}; we read gzip or none.")
    return True


async def _refusal(response: httpx.Response) -> AmcflowError:
    status = response.status_code
    match status:
        case 404 | 410:
            return ResultGone("The result store no longer has this result.")
        case 403 if _EXPIRED.search(await _start_of(response)):
            return ResultUnavailable("The result link expired.")
        case _:
            wait = retry_after(response.headers, utc_now())
            return ResultUnavailable(f"The result store answered {status}.", wait=wait)


async def _start_of(response: httpx.Response) -> bytes:
    start = b""
    async for chunk in _raw(response):
        start += chunk
        if len(start) >= _ERROR_BYTES:
            break
    return start[:_ERROR_BYTES]


def _broken(error: Exception) -> ResultUnavailable:
    return ResultUnavailable(f"The download broke off ({type(error).__name__}).")
