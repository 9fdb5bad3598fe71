"""One request on its way through the gateway, with what became of it."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from services.simulator.protocol import cut
from services.simulator.simulator import Simulator
from services.simulator.world import Instance


@dataclass(slots=True)
class Exchange:
    """A request with its answer. `status` stays 0 if the client never got one."""

    simulator: Simulator
    scope: Scope
    receive: Receive
    raw_send: Send
    instance: Instance | None
    arrived_at: float
    request_id: str
    extra_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    status: int = 0
    fault: str | None = None

    @property
    def request(self) -> Request:
        return Request(self.scope, self.receive)

    async def send(self, message: Message) -> None:
        """Passes the answer on with Amazon's headers added."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self.extra_headers]
        await self.raw_send(message)

    async def reply(self, response: Response) -> None:
        await response(self.scope, self.receive, self.send)

    async def drop(self) -> None:
        """Cuts the connection without an answer."""
        await cut(self.scope, self.receive)
