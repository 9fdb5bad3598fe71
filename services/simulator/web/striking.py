"""What each fault does to a request."""

import asyncio
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Scope

from services.simulator.faults import FaultRule
from services.simulator.web.answers import bad_gateway, error, gateway_timeout, throttled
from services.simulator.web.door import bearer
from services.simulator.web.exchange import Exchange
from services.simulator.web.late import create_late
from services.simulator.web.login import form_of
from services.simulator.web.spoiling import cut_in_the_middle, spoil_stream

_LOGIN_PATH = "/auth/o2/token"
_FLAVOURS = {"429": "details", "429-message": "message", "429-html": "html"}


async def strike(rule: FaultRule, exchange: Exchange, app: ASGIApp) -> None:
    """Lets one fault happen to one request; the handler runs or not, as the fault says."""
    kind = rule.kind
    if kind in _FLAVOURS or kind in {"403", "500", "502", "503", "504"}:
        await exchange.reply(_error_reply(kind, exchange))
    elif kind.startswith(("drop", "late-create")):
        await _lose(rule, exchange, app)
    elif kind in {"truncate", "malformed-json", "empty-body"}:
        await _spoil(kind, exchange, app)
    elif kind in {"corrupt", "short-body", "wrong-length"}:
        await spoil_stream(kind, exchange, app)
    elif kind == "duplicate-page":
        await app(_without_place(exchange.scope), exchange.receive, exchange.send)
    else:
        await _pass_on(rule, exchange, app)


def _error_reply(kind: str, exchange: Exchange) -> Response:
    if kind in _FLAVOURS:
        if exchange.instance is not None:
            exchange.instance.traffic.tally.throttled["forced"] += 1
        return throttled(_FLAVOURS[kind], exchange.simulator.switches)
    if kind == "504":
        return gateway_timeout()
    if kind == "502":
        return bad_gateway()
    texts = {"403": "Unauthorized request.", "500": "Internal Server Error"}
    return error(int(kind), texts.get(kind, "Service Unavailable"))


async def _lose(rule: FaultRule, exchange: Exchange, app: ASGIApp) -> None:
    if rule.kind == "drop-after":
        await app(exchange.scope, exchange.receive, _Swallowed().send)
    if rule.kind.startswith("late-create"):
        await create_late(exchange, rule.seconds)
    if rule.kind == "late-create":
        await exchange.reply(gateway_timeout())
    else:
        await exchange.drop()


async def _spoil(kind: str, exchange: Exchange, app: ASGIApp) -> None:
    if kind == "truncate":
        await cut_in_the_middle(exchange, app)
        return
    held = _Swallowed()
    await app(exchange.scope, exchange.receive, held.send)
    body = b"" if kind == "empty-body" else held.body[: len(held.body) // 2] + b'{"'
    kept = {k: v for k, v in held.headers if k not in {"content-length", "content-type"}}
    content_type = dict(held.headers).get("content-type")
    await exchange.reply(Response(body, held.status, kept, media_type=content_type))


def _without_place(scope: Scope) -> Scope:
    """The request without its nextToken, so that the first page comes again."""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    kept = urlencode([(name, value) for name, value in pairs if name != "nextToken"])
    return {**scope, "query_string": kept.encode("latin-1", "replace")}


async def _pass_on(rule: FaultRule, exchange: Exchange, app: ASGIApp) -> None:
    """The handler answers as it finds things after the fault changed them."""
    receive = exchange.receive
    if rule.kind == "slow":
        await asyncio.sleep(rule.seconds)
    elif exchange.scope["path"] == _LOGIN_PATH and rule.kind == "revoke":
        receive = await _revoke_grant(exchange)
    else:
        tokens = exchange.simulator.tokens
        token = bearer(exchange.request.headers.get("authorization"))
        grant = tokens.grant_of_access(token)
        tokens.expire(token)
        if rule.kind == "revoke" and grant is not None:
            tokens.revoke(grant)
    await app(exchange.scope, receive, exchange.send)


async def _revoke_grant(exchange: Exchange) -> "_Replay":
    request = exchange.request
    raw = await request.body()
    form = form_of(raw)
    grant = exchange.simulator.tokens.grant(form.get("refresh_token", ""))
    if grant is not None:
        exchange.simulator.tokens.revoke(grant)
    return _Replay(raw)


@dataclass(slots=True)
class _Replay:
    """Gives a handler a body that was read before."""

    body: bytes

    async def __call__(self) -> Message:
        return {"type": "http.request", "body": self.body, "more_body": False}


@dataclass(slots=True)
class _Swallowed:
    """Keeps an answer instead of sending it."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(k.decode(), v.decode()) for k, v in message["headers"]]
        else:
            self.body += message.get("body", b"")
