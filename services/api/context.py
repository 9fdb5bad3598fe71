"""Gives every request an id, binds it to the log, and writes one line when it is answered."""

import re
import time
from dataclasses import dataclass
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.observability.logs import bound, get_logger

log = get_logger()

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_HEADER = "X-Request-ID"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The outermost middleware; a client's own id is kept if it is harmless in a log."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(_HEADER, "")
        request_id = given if _ACCEPTABLE.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[_HEADER] = request_id
            await send(message)

        with bound(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                log.info(
                    "request_served",
                    method=scope["method"],
                    path=scope["path"],
                    status=status or 500,
                    owner=scope["state"].get("owner"),
                    duration_ms=round((time.perf_counter() - started) * 1000, 1),
                )
