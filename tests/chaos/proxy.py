"""A TCP proxy that can cut, stall and refuse: the network between the services and a server.

Its port is taken before anything starts and stays the same; the server behind it may come later.
All proxies live in one event loop in one thread.
"""

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

_CHUNK = 65_536


@dataclass(eq=False)
class _Pair:
    """One connection of a client and ours to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    def abort(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


@dataclass(eq=False)
class Proxy:
    """One port in front of one server; every method may be called from any thread."""

    name: str
    port: int
    target: tuple[str, int]
    loop: asyncio.AbstractEventLoop
    cut: int = 0
    """Connections cut so far."""
    held: int = 0
    """Chunks of bytes that came while nothing was let through, or were refused."""
    _listener: asyncio.Server | None = None
    _pairs: set[_Pair] = field(default_factory=set)
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _left: int | None = None

    def listen(self) -> None:
        """Takes connections from now on."""
        self._do(self._listen())

    def cut_all(self) -> None:
        """Every connection is reset; new ones are taken."""
        self._do(self._cut_all())

    def stall(self) -> None:
        """No byte passes in either direction; new connections open and hear nothing."""
        self._do(self._set_open(False))

    def flow(self, *, release: bool) -> None:
        """Bytes pass again: what was held arrives late, or is lost with its connection."""
        self._do(self._flow(release=release))

    def refuse(self) -> None:
        """Nobody listens, and what was connected is reset."""
        self._do(self._refuse())

    def cut_after(self, count: int | None) -> None:
        """Each connection is reset once so many more bytes went over all; None: never."""
        self._do(self._set_left(count))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _listen(self) -> None:
        if self._listener is None:
            self._open.set()
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._cut_all()

    async def _cut_all(self) -> None:
        self.cut += len(self._pairs)
        for pair in tuple(self._pairs):
            pair.abort()

    async def _set_open(self, is_open: bool) -> None:
        if is_open:
            self._open.set()
        else:
            self._open.clear()

    async def _flow(self, *, release: bool) -> None:
        if not release:
            await self._cut_all()
        self._open.set()

    async def _set_left(self, count: int | None) -> None:
        self._left = count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            away, there = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, there)
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, there, pair))
                both.create_task(self._pump(away, writer, pair))
        except asyncio.CancelledError:
            # The network ends; asyncio's streams would tell of each connection.
            return
        finally:
            self._pairs.discard(pair)
            pair.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: _Pair
    ) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._pass_on(data, writer)
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            # Neither side may be left with half a connection.
            pair.abort()

    async def _pass_on(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if not self._open.is_set():
            self.held += 1
            await self._open.wait()
        if self._spent(len(data)):
            self.cut += 1
            raise ConnectionAbortedError(f"{self.name} is cut here")
        writer.write(data)
        await writer.drain()

    def _spent(self, size: int) -> bool:
        if self._left is None:
            return False
        self._left -= size
        return self._left < 0


@dataclass
class Proxies:
    """The loop and thread that all proxies share; see `network` for who gives the orders."""

    known: dict[str, Proxy] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()

    def carry_out(self, name: str, what: str, how: Mapping[str, Any]) -> tuple[int, int]:
        """One order to the proxy of this name, none if it is empty; what was cut and held."""
        if what == "new":
            self.known[name] = Proxy(name, how["port"], how["target"], self._loop)
            self.known[name].listen()
        elif what:
            getattr(self.known[name], what)(**how)
        return self.known[name].cut, self.known[name].held

    def close(self) -> None:
        """Everything ends, and the thread with it."""
        for proxy in self.known.values():
            proxy.refuse()
        asyncio.run_coroutine_threadsafe(_end_the_rest(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


async def _end_the_rest() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
