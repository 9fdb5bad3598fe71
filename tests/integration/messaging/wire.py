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
        self._cables: set[_Cable] = set()
        self.accepted = 0

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

    @property
    def packets(self) -> int:
        """Pieces in which the bytes of the clients that are connected have come."""
        return sum(cable.packets for cable in self._cables)

    async def plug_in(self) -> None:
        """Accept connections, at the same address as before."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, reuse_address=True
        )
        self._port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection; new ones work."""
        for cable in list(self._cables):
            cable.cut()

    def pull_out(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def go_dead(self) -> None:
        """Nothing passes on the connections there are, and nobody is told; new ones work."""
        for cable in self._cables:
            cable.flowing.clear()

    def block(self) -> None:
        """What RabbitMQ does to publishers in an alarm: say so, and read no more from them."""
        for cable in self._cables:
            cable.flowing_upward.clear()
            cable.client.write(_frame(60, b"\x06memory"))

    def unblock(self) -> None:
        for cable in self._cables:
            cable.flowing_upward.set()
            cable.client.write(_frame(61, b""))

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            broker_reader, broker = await asyncio.open_connection(
                self._broker.host, self._broker.port
            )
        except OSError:
            client.transport.abort()
            return
        cable = _Cable(client, broker)
        self.accepted += 1
        self._cables.add(cable)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(cable.pump(reader, broker, cable.flowing_upward))
                group.create_task(cable.pump(broker_reader, client, cable.flowing))
        finally:
            self._cables.discard(cable)
            cable.cut()


class _Cable:
    """One connection through the wire."""

    def __init__(self, client: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self.client = client
        self.flowing = asyncio.Event()
        self.flowing_upward = asyncio.Event()
        self.flowing.set()
        self.flowing_upward.set()
        self.packets = 0
        self._writers = (client, broker)

    def cut(self) -> None:
        self.flowing.set()
        self.flowing_upward.set()
        for writer in self._writers:
            writer.transport.abort()

    async def pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, open_: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                self.packets += open_ is self.flowing_upward
                await self.flowing.wait()
                await open_.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


def _frame(method: int, arguments: bytes) -> bytes:
    """A method frame of the class `connection` on channel 0."""
    payload = struct.pack(">HH", 10, method) + arguments
    return struct.pack(">BHL", 1, 0, len(payload)) + payload + b"\xce"
