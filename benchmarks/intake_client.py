"""Sends requests one after the other over some connections, and tells when each was answered.

A client that costs little, since it shares the cores with the server that it measures: nothing is
parsed beyond status and length; one write and mostly one read for each request.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

import uvloop
from typing_extensions import override

_END: Final = b"\r\n\r\n"
_ACCEPTED: Final = 202


class NotAccepted(Exception):
    """The server answered something else than was expected, or nothing."""


@dataclass(frozen=True, slots=True)
class Answered:
    """When one request was sent and answered, by `time.perf_counter`."""

    sent_at: float
    answered_at: float


def encode(path: str, body: bytes, token: str) -> bytes:
    """A whole POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nAuthorization: Bearer {token}"
    )
    return head.encode() + _END + body


def request_all(
    url: str, requests: Iterator[bytes], *, connections: int = 1, accepted: int = _ACCEPTED
) -> list[Answered]:
    """Until there are no more requests; NotAccepted at the first answer with another status."""
    return uvloop.run(_request_all(url, requests, connections, b" %d " % accepted))


async def _request_all(
    url: str, requests: Iterator[bytes], connections: int, accepted: bytes
) -> list[Answered]:
    loop, address = asyncio.get_running_loop(), urlsplit(url)
    host, port = address.hostname or "127.0.0.1", address.port or 80
    answers: list[Answered] = []
    opened = [
        await loop.create_connection(lambda: _Connection(requests, answers, accepted), host, port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in opened))
    return answers


class _Connection(asyncio.Protocol):
    """Writes the next request when the answer to the last one is there."""

    def __init__(self, requests: Iterator[bytes], answers: list[Answered], accepted: bytes) -> None:
        self._requests = requests
        self._accepted = accepted
        self._answers = answers
        self._received = bytearray()
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(_END)
        if end < 0 or len(self._received) < end + len(_END) + _length(self._received[:end]):
            return
        if self._accepted not in self._received[:16]:
            self._fail(NotAccepted(bytes(self._received[:400]).decode(errors="replace")))
            return
        self._received.clear()
        self._answers.append(Answered(self._sent_at, time.perf_counter()))
        self._send()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(NotAccepted(f"the server closed the connection: {exc}"))

    def _send(self) -> None:
        assert self._transport is not None
        request = next(self._requests, None)
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


def _length(head: bytearray) -> int:
    _, found, rest = bytes(head).lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0
