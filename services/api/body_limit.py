"""Refuses bodies that are too large, by counting the bytes that really come.

FastAPI's own limit answers in plain text where Content-Length tells the truth, and all our errors
are problem documents.
"""

from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api import problems
from services.api.errors import BodyTooLarge


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Counts; what is declared too large is refused before a byte is read."""

    app: ASGIApp
    max_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared) > self.max_bytes:
            refusal = BodyTooLarge(self._sentence())
            await problems.answer(refusal, Request(scope))(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                # FastAPI turns any other exception from here into a 400.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._sentence())
            return message

        await self.app(scope, counted, send)

    def _sentence(self) -> str:
        return f"A body may have at most {self.max_bytes} bytes."
