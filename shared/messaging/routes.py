"""Which handler takes which message type, with the types of both checked against each other."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from shared.domain.errors import UnknownMessageType
from shared.messaging.envelope import ReceivedMessage
from shared.messaging.messages import Message

M = TypeVar("M", bound=Message)
M_contra = TypeVar("M_contra", bound=Message, contravariant=True)


class Handler(Protocol[M_contra]):
    """Carries out one command; see `verdict` for what its errors mean."""

    async def __call__(self, message: M_contra, /) -> None: ...


class EnvelopeHandler(Protocol[M_contra]):
    """A handler that also needs what is around the body: reply address, headers, early ack."""

    async def __call__(self, message: M_contra, received: ReceivedMessage, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """A decoded message with the call that carries it out."""

    ids: dict[str, str]
    run: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """One wire type and what becomes of its messages; an empty type takes any."""

    type: str
    prepare: Callable[[ReceivedMessage], Work]


def handles(model: type[M], handler: Handler[M]) -> Route:
    """Decode as `model` and call the handler."""

    def prepare(received: ReceivedMessage) -> Work:
        message = model.decode(received.body)
        return Work(message.ids(), lambda: handler(message))

    return Route(model.TYPE, prepare)


def handles_envelope(model: type[M], handler: EnvelopeHandler[M]) -> Route:
    """Decode as `model` and call the handler with the envelope beside it."""

    def prepare(received: ReceivedMessage) -> Work:
        message = model.decode(received.body)
        return Work(message.ids(), lambda: handler(message, received))

    return Route(model.TYPE, prepare)


def handles_raw(handler: Callable[[ReceivedMessage], Awaitable[None]]) -> Route:
    """Hand over whatever comes, undecoded: for dead letters."""
    return Route("", lambda received: Work({}, lambda: handler(received)))


class Routes:
    """The routes of one consumer."""

    def __init__(self, routes: Sequence[Route], *, default_type: str = "") -> None:
        self._routes = {route.type: route for route in routes}
        self._default_type = default_type
        if len(self._routes) != len(routes):
            raise ValueError("two routes for one message type")

    def work_for(self, received: ReceivedMessage) -> Work:
        """ContractError or InvalidRequest if nobody here understands it."""
        wanted = received.type or self._default_type
        route = self._routes.get(wanted) or self._routes.get("")
        if route is None:
            raise UnknownMessageType(f"Nothing here handles messages of type {wanted[:100]!r}.")
        return route.prepare(received)
