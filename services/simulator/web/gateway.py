"""Stands before Amazon's side of the simulator: counts, throttles, fails on demand, records.

Pure ASGI, so that an answer can be held back, cut or changed after the handler did its work.
"""

import asyncio
import os
from dataclasses import dataclass, field
from random import Random

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.simulator.distribution import seeded
from services.simulator.faults import FaultRule
from services.simulator.protocol import waited_seconds
from services.simulator.refusal import Refusal
from services.simulator.simulator import Simulator
from services.simulator.web.answers import error, throttled
from services.simulator.web.exchange import Exchange
from services.simulator.web.object_store import STORE
from services.simulator.web.paging import Turning
from services.simulator.web.striking import strike
from services.simulator.world import Instance

MAX_BODY_BYTES = 10 * 2**20
"""As much as Amazon's API gateways take."""
_OURS = "/_simulator/"
_AMC = "/amc/"
_REPORTING = "/amc/reporting/"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
_COMMON_HEADERS = [
    (b"server", b"Server"),
    (b"vary", b"Content-Type,Accept-Encoding,User-Agent"),
    (b"strict-transport-security", b"max-age=47474747; includeSubDomains; preload"),
]


@dataclass(slots=True)
class _Limited:
    """Passes a request's body on; Refusal 413 for more of it than anybody takes."""

    receive: Receive
    taken: int = 0

    async def __call__(self) -> Message:
        message = await self.receive()
        self.taken += len(message.get("body", b""))
        if self.taken > MAX_BODY_BYTES:
            raise Refusal(413, "Request Entity Too Large")
        return message


@dataclass(slots=True)
class Gateway:
    """The outermost application."""

    simulator: Simulator
    app: ASGIApp
    _ids: Random = field(default_factory=lambda: seeded("request ids", os.urandom(16)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        keeper = self.simulator.keeper
        if keeper is None:
            await self._handle(scope, receive, send)
            return
        changing = scope["method"] != "GET"

        async def save_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                keeper.save(changing=changing)
            await send(message)

        try:
            await self._handle(scope, receive, save_and_send)
        finally:
            keeper.save(changing=changing)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        waited = waited_seconds(scope)
        at = self.simulator.engine.advance()
        path: str = scope["path"]
        if path.startswith(_AMC) and path.endswith("/"):
            path = scope["path"] = path.rstrip("/")
        is_store = path.startswith(STORE)
        request_id = "".join(self._ids.choices(_LETTERS, k=20))
        turning = Turning(self.simulator.signer.secret, self.simulator.switches.next_token_seconds)
        scope["state"] = {"at": at, "request_id": request_id, "turning": turning}
        receive = _Limited(receive)
        if path.startswith(_OURS) and not is_store:
            await self.app(scope, receive, send)
            return
        instance = self._instance(path)
        exchange = Exchange(self.simulator, scope, receive, send, instance, at - waited, request_id)
        if not is_store:
            exchange.extra_headers = [
                *_COMMON_HEADERS,
                (b"x-amz-rid", request_id.encode()),
                (b"x-amz-request-id", request_id.encode()),
            ]
        try:
            await self._serve(exchange)
        except Refusal as refusal:
            await exchange.reply(error(refusal.status, refusal.details))
        except asyncio.CancelledError:
            # The process ends and the connection is cut already: not worth a traceback.
            return
        finally:
            self._record(exchange, is_store=is_store)

    async def _serve(self, exchange: Exchange) -> None:
        simulator, instance = self.simulator, exchange.instance
        if instance is not None:
            admitted = instance.traffic.admit(exchange.arrived_at, simulator.rate_limit(instance))
            if not admitted:
                reply = throttled(simulator.switches.throttle_flavour, simulator.switches)
                await exchange.reply(reply)
                return
        rule = self._fault(exchange)
        if rule is None:
            await self.app(exchange.scope, exchange.receive, exchange.send)
        else:
            exchange.fault = rule.fault
            await strike(rule, exchange, self.app)

    def _fault(self, exchange: Exchange) -> FaultRule | None:
        faults = self.simulator.faults
        if not faults.active:
            return None
        scope, instance = exchange.scope, exchange.instance
        return faults.take(scope["method"], scope["path"], instance.id if instance else None)

    def _instance(self, path: str) -> Instance | None:
        if not path.startswith(_REPORTING):
            return None
        instance_id = path[len(_REPORTING) :].partition("/")[0]
        return self.simulator.world.instances.get(instance_id)

    def _record(self, exchange: Exchange, *, is_store: bool) -> None:
        simulator, instance = self.simulator, exchange.instance
        status = str(exchange.status)
        if is_store:
            simulator.store_by_status[status] += 1
        elif instance is not None:
            instance.traffic.tally.by_status[status] += 1
        else:
            simulator.elsewhere.requests += 1
            simulator.elsewhere.by_status[status] += 1
        simulator.journal.add(
            {
                "seq": simulator.journal.next_seq(),
                "method": exchange.scope["method"],
                "path": exchange.scope["path"],
                "status": exchange.status,
                "instance_id": instance.id if instance else None,
                "arrived_at": exchange.arrived_at,
                "request_id": exchange.request_id,
                "fault": exchange.fault,
            }
        )
