"""A cable between a client and the broker that can be cut, pulled out, or go dead silently."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from yarl import URL


class Wire:
    """Forwards bytes to the broker; `url` is what the client connects to."""

    def __init__(self, broker_url: str) -> None:
        self._broker = URL(broker_url)
        self._server: asyncio.Server | None = None
        self._port = 0
        self.accepted = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._listening_upward = asyncio.Event()
        self._flowing.set()
        self._listening_upward.set()

    @classmethod
    @asynccontextmanager
    async def to(cls, broker_url: str) -> AsyncIterator[Self]:
        wire = cls(broker_url)
        await wire.plug_in()
        try:
            yield wire
        finally:
            wire.pull_out()

    @property
    def url(self) -> str:
        return str(self._broker.with_host("127.0.0.1").with_port(self._port))

    async def plug_in(self) -> None:
        """Accept connections, at the same address as before."""
        self._flowing.set()
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, reuse_address=True
        )
        self._port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection; new ones work."""
        for writer in list(self._writers):
            writer.transport.abort()

    def pull_out(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def go_dead(self) -> None:
        """Nothing passes any more, in either direction, and nobody is told."""
        self._flowing.clear()

    def revive(self) -> None:
        self._flowing.set()

    def block(self) -> None:
        """What RabbitMQ does to publishers in an alarm: say so, and read no more from them."""
        self._listening_upward.clear()
        for client in self._clients:
            client.write(_frame(60, b"\x06memory"))

    def unblock(self) -> None:
        self._listening_upward.set()
        for client in self._clients:
            client.write(_frame(61, b""))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker_writer = await asyncio.open_connection(
            self._broker.host, self._broker.port
        )
        self.accepted += 1
        pair = {writer, broker_writer}
        self._writers |= pair
        self._clients.add(writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, broker_writer, upward=True))
                group.create_task(self._pump(broker_reader, writer, upward=False))
        finally:
            self._writers -= pair
            self._clients.discard(writer)
            for each in pair:
                each.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upward: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                if upward:
                    await self._listening_upward.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


def _frame(method: int, arguments: bytes) -> bytes:
    """A method frame of the class `connection` on channel 0."""
    payload = struct.pack(">HH", 10, method) + arguments
    return struct.pack(">BHL", 1, 0, len(payload)) + payload + b"\xce"
