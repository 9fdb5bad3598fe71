"""A server that does what it is told on a real socket, and remembers every byte it was sent."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Handler = Callable[["Wire", Reader, Writer], Awaitable[None]]


@dataclass
class Wire:
    """What reached the server."""

    base_url: str = ""
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    got_request: asyncio.Event = field(default_factory=asyncio.Event)

    async def read_request(self, reader: Reader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.requests.append(head + await reader.readexactly(length))
        self.got_request.set()
        return self.requests[-1]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Wire]:
    wire = Wire()
    handlers: set[asyncio.Task[None] | None] = set()

    async def accept(reader: Reader, writer: Writer) -> None:
        wire.connections += 1
        handlers.add(asyncio.current_task())
        try:
            await handler(wire, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    wire.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        server.close()
        for task in handlers:
            if task is not None and not task.done():
                task.cancel()
        await asyncio.gather(*(task for task in handlers if task), return_exceptions=True)


def reset(writer: Writer) -> None:
    """Close so that the other side sees a reset instead of an end."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def answer(body: bytes = b"{}", *headers: bytes, status: bytes = b"200 OK") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join((b"HTTP/1.1 " + status, length, *headers, b"", body))


async def answer_all(wire: Wire, reader: Reader, writer: Writer) -> None:
    while True:
        await wire.read_request(reader)
        writer.write(answer(EXECUTION_BODY))
        await writer.drain()


@dataclass
class ClosesKeptConnections:
    """Answers the first request of a connection and closes on the second: the keep-alive race."""

    seen: list[bytes] = field(default_factory=list)

    async def __call__(self, wire: Wire, reader: Reader, writer: Writer) -> None:
        await wire.read_request(reader)
        writer.write(answer(EXECUTION_BODY))
        await writer.drain()
        self.seen.append(await reader.read(1))


EXECUTION_BODY = b'{"workflowExecutionId": "e-1", "workflowId": "wf-1", "status": "PENDING"}'
