"""Answers that are spoiled on their way, chunk by chunk, without being held in memory."""

from dataclasses import dataclass

from starlette.types import ASGIApp, Message

from services.simulator.protocol import cut
from services.simulator.web.exchange import Exchange

_JUNK = b"\xff\x00\xfe\x00\xff"


async def cut_in_the_middle(exchange: Exchange, app: ASGIApp) -> None:
    """The true Content-Length, half the body, then the connection is cut."""
    half = _Half(exchange)
    await app(exchange.scope, exchange.receive, half.send)
    await cut(exchange.scope, exchange.receive, flush=True)


async def spoil_stream(kind: str, exchange: Exchange, app: ASGIApp) -> None:
    """A body with bytes that are no text, with its end missing, or with a length too large."""
    spoiled = _Spoiled(exchange, kind)
    await app(exchange.scope, exchange.receive, spoiled.send)
    if kind == "wrong-length":
        await cut(exchange.scope, exchange.receive, flush=True)


@dataclass(slots=True)
class _Half:
    """Sends the head with its true Content-Length and the first half of the body."""

    exchange: Exchange
    left: int = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            lengths = [int(v) for k, v in message["headers"] if k == b"content-length"]
            self.left = (lengths[0] if lengths else 0) // 2
            await self.exchange.send(message)
            return
        piece = message.get("body", b"")[: self.left]
        self.left -= len(piece)
        if piece:
            await self.exchange.send({**message, "body": piece, "more_body": True})


@dataclass(slots=True)
class _Spoiled:
    """Passes an answer on with one thing wrong about it."""

    exchange: Exchange
    kind: str
    left: int = 0
    """Bytes that `short-body` may still send."""
    is_done: bool = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self.exchange.send({**message, "headers": self._headers(message["headers"])})
            return
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if self.kind == "wrong-length":
            more = True
        elif self.kind == "short-body":
            body = body[: self.left]
            self.left -= len(body)
        elif body and not self.is_done:
            # The same place in every replay: the middle of the first bytes that are sent.
            middle = len(body) // 2
            body = (body[:middle] + _JUNK + body[middle + len(_JUNK) :])[: len(body)]
            self.is_done = True
        await self.exchange.send({**message, "body": body, "more_body": more})

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        return [(k, self._length(v) if k == b"content-length" else v) for k, v in headers]

    def _length(self, value: bytes) -> bytes:
        length = int(value)
        self.left = length // 2
        stated = {"wrong-length": length + length // 10 + 1, "short-body": self.left}
        return str(stated.get(self.kind, length)).encode()
