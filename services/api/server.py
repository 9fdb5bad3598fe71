"""uvicorn inside our own life cycle: our signals, and streams that end before it waits for them."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from services.api.joined_writes import JoiningProtocol
from shared.domain.errors import AmcflowError


class AddressTaken(AmcflowError):
    """The address to listen on cannot be had."""

    code = "address_taken"
    default_hint = "Choose another AMCFLOW_API_HOST or AMCFLOW_API_PORT, or end what listens there."


class _Server(uvicorn.Server):
    """Without signal handlers of its own: `shared.runtime.service` has them."""

    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class HttpServer:
    """Serves one application at one address."""

    app: FastAPI
    listener: socket.socket
    shutdown_timeout: timedelta
    end_streams: Callable[[], None]

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then requests in hand end, for as long as the timeout allows."""
        server = _Server(
            uvicorn.Config(
                self.app,
                http=JoiningProtocol,
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=int(self.shutdown_timeout.total_seconds()),
            )
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[self.listener]))
            await stop.wait()
            self.end_streams()
            server.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """The socket, bound before anything else starts; AddressTaken if that fails."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise AddressTaken(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
