"""Who asks: every path needs a known token unless it is on the short list of open ones.

It is done before routing, so a route nobody thought of is closed, and a stranger's body is never
read. The token's name becomes the owner of whatever it asks for.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api import problems
from services.api.errors import Unauthenticated
from shared.domain.errors import AmcflowError
from shared.security.service_tokens import hash_service_token

_MOST_REMEMBERED = 1024


class TokenBook(Protocol):
    """Whose token has this hash."""

    async def name_of(self, token_sha256: bytes) -> str | None: ...


@dataclass(slots=True)
class TokenNames:
    """Names by token, remembered for a moment; that a token is unknown is not remembered."""

    book: TokenBook
    ttl_seconds: float
    clock: Callable[[], float] = time.monotonic
    _known: dict[bytes, tuple[str, float]] = field(default_factory=dict)

    async def owner(self, token: str) -> str:
        """Unauthenticated if it is nobody's."""
        digest = hash_service_token(token)
        name, until = self._known.get(digest, ("", 0.0))
        if until > self.clock():
            return name
        found = await self.book.name_of(digest)
        if found is None:
            self._known.pop(digest, None)
            raise Unauthenticated("This token is not known, or it was revoked.")
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = (found, self.clock() + self.ttl_seconds)
        return found


@dataclass(frozen=True, slots=True)
class Authentication:
    """The middleware that closes every door but the open ones."""

    app: ASGIApp
    names: TokenNames
    open_paths: Collection[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self.open_paths:
            try:
                scope.setdefault("state", {})["owner"] = await self.names.owner(_token(scope))
            except AmcflowError as error:
                await problems.answer(error, Request(scope))(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _token(scope: Scope) -> str:
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The request has no bearer token.")
    return token.strip()
