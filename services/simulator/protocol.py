"""uvicorn's HTTP protocol and server, able to cut a connection and to stop within a second."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Generator

from starlette.types import Receive, Scope
from typing_extensions import override
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION = "simulator.transport"
_GRACE_SECONDS = 0.5


class CuttableProtocol(HttpToolsProtocol):
    """Puts the transport within reach of the application, and the moment of the first byte."""

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {
            _EXTENSION: {"transport": self.transport, "read_at": time.monotonic()}
        }

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def waited_seconds(scope: Scope) -> float:
    """How long ago the first byte of the request was read; 0 if another server read it.

    Amazon's limits count arrivals. Requests that come while others are answered wait for their
    turn in the loop, and would else seem to have arrived all at once.
    """
    extensions: dict[str, dict[str, float]] = scope.get("extensions") or {}
    read_at = extensions.get(_EXTENSION, {}).get("read_at")
    return 0.0 if read_at is None else time.monotonic() - read_at


async def cut(scope: Scope, receive: Receive, *, flush: bool = False) -> None:
    """Closes the client's connection; with `flush` what was written is still sent."""
    transport: asyncio.Transport = scope["extensions"][_EXTENSION]["transport"]
    if flush:
        transport.close()
    else:
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


class StoppableServer(Server):
    """A server that ends with exit code 0 on SIGTERM, open connections or not.

    Ten times a second it calls `each_tick`, also while no request comes.
    """

    def __init__(self, config: Config, each_tick: Callable[[], None]) -> None:
        super().__init__(config)
        self._each_tick = each_tick

    @override
    async def on_tick(self, counter: int) -> bool:
        self._each_tick()
        return await super().on_tick(counter)

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True
        asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._force)

    def _force(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, CuttableProtocol):
                connection.abort()
        self.force_exit = True
