"""One attempt at one call: four headers, one permit, one answer judged, one record kept.

The permit is checked twice: before httpx builds anything, and by the transport right after the
connection was acquired, before the first byte. Between that last check and the write there is no
await; only a process stopped exactly there can still send late. Who is refused there has sent
nothing and books another turn, as who wakes too late does.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, TypeVar

import httpx

from shared.amc.bodies import Answer, read_body
from shared.amc.call_log import INTERRUPTED, CallLog, CallRecord
from shared.amc.permits import Permit
from shared.amc.translate import amc_errors
from shared.domain.clock import utc_now
from shared.domain.errors import AmcflowError, PermitExpired, TransientError
from shared.domain.ids import EntityId, InstanceKey, MarketplaceId
from shared.http.client import GatedClient
from shared.http.transport import AFTER_BYTES, BEFORE_FIRST_BYTE
from shared.security.secrets import AccessToken

T = TypeVar("T")

_KEPT_SECONDS: Final = 10.0
"""A connection answered on this lately is taken to be kept still; half the keepalive expiry."""


_HeadersKey = tuple[EntityId | None, MarketplaceId | None, bool]


@lru_cache(maxsize=1024)  # of creates there is one for each instance
def _parsed(address: str) -> httpx.URL:
    return httpx.URL(address)


class LeaseTooShort(TransientError):
    """The caller's lease ends before its turn to call AMC comes; nothing was sent."""

    code = "lease_too_short"


@dataclass(frozen=True, slots=True)
class Call:
    """One request of AMC's API, before any token or permit."""

    name: str
    method: str
    base_url: str
    path: str
    safe_to_repeat: bool = True
    entity_id: EntityId | None = None
    marketplace_id: MarketplaceId | None = None
    instance: InstanceKey | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    after_bytes: Callable[[], None] | None = None
    """Called once the request has left, for tests that strike there."""


@dataclass(slots=True)
class _Seen:
    status: int | None = None
    request_id: str | None = None
    error_code: str | None = INTERRUPTED


@dataclass(frozen=True, slots=True)
class Attempts:
    """Makes attempts over one HTTP client, on behalf of one service."""

    http: httpx.AsyncClient
    client_id: str
    call_log: CallLog
    caller: str
    longest: timedelta = timedelta(seconds=60)
    """A whole attempt, connecting and reading included. Part of the settle time."""
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = utc_now
    _answered_at: dict[str, float] = field(default_factory=dict)
    _headers: dict[_HeadersKey, tuple[AccessToken, httpx.Headers]] = field(
        default_factory=dict, repr=False
    )
    """Those of the last token of each account; a newer token takes their place."""

    async def warm_up(self, base_url: str) -> None:
        """Open a connection if none was used lately; sends nothing and needs no permit.

        A handshake takes longer than a permit lives, so without this a quiet instance's first
        call would lose its permit every time. AmcUnavailable if AMC cannot be reached.
        """
        lately = self._answered_at.get(base_url, -_KEPT_SECONDS)
        if isinstance(self.http, GatedClient) and self.clock() - lately >= _KEPT_SECONDS:
            with amc_errors("connect", safe_to_repeat=True):
                await self.http.connect_ahead(base_url)

    async def make(
        self,
        call: Call,
        token: AccessToken,
        judge: Callable[[Answer], T],
        *,
        permit: Permit | None,
        give_up_at: float | None = None,
    ) -> T:
        """The judged answer. Without a permit only for calls that no instance's budget covers."""
        started = self.clock()
        seen = _Seen()
        try:
            answer = await self._exchange(call, token, permit, give_up_at)
            seen.status, seen.request_id = answer.status, answer.request_id
            result = judge(answer)
        except AmcflowError as error:
            seen.error_code = error.code
            raise
        else:
            seen.error_code = None
            return result
        finally:
            self._record(call, seen, self.clock() - started)

    async def _exchange(
        self, call: Call, token: AccessToken, permit: Permit | None, give_up_at: float | None
    ) -> Answer:
        if permit is None:
            return await self._send(call, token, None, give_up_at)
        while True:
            self._seconds_left(call, give_up_at, from_when=permit.ready_at_monotonic)
            await permit.wait()
            permit.check()
            try:
                return await self._send(call, token, permit, give_up_at)
            except PermitExpired:
                # Before the first byte: a new connection took too long, and is kept for the next
                # turn. Whether there is one is for `wait` and `check` to say.
                if permit.again is None:
                    raise

    async def _send(
        self, call: Call, token: AccessToken, permit: Permit | None, give_up_at: float | None
    ) -> Answer:
        seconds = self._seconds_left(call, give_up_at, from_when=self.clock())
        request = self._request(call, token, permit)
        with amc_errors(call.name, safe_to_repeat=call.safe_to_repeat):
            async with asyncio.timeout(seconds):
                response = await self.http.send(request, stream=True)
                try:
                    body = await read_body(response)
                finally:
                    await response.aclose()
        self._answered_at[call.base_url] = self.clock()
        now = self.now()
        return Answer(response.status_code, response.headers, body, now, token.is_expired(now))

    def _seconds_left(self, call: Call, give_up_at: float | None, *, from_when: float) -> float:
        longest = self.longest.total_seconds()
        if give_up_at is None:
            return longest
        left = give_up_at - from_when
        if left <= 0:
            raise LeaseTooShort(f"{call.name}: the lease runs out before anything can be sent.")
        return min(left, longest)

    def _request(self, call: Call, token: AccessToken, permit: Permit | None) -> httpx.Request:
        content = b"" if call.body is None else json.dumps(call.body).encode()
        # Not the client's `build_request`: it merges and parses anew what is the same each time. As
        # a stream, for which httpx adds no headers: Host and length are the transport's to write.
        request = httpx.Request(
            call.method,
            _address(call),
            headers=self._headers_for(call, token),
            stream=httpx.ByteStream(content),
            extensions={"timeout": self.http.timeout.as_dict()},
        )
        request.read()
        if permit is not None:
            request.extensions[BEFORE_FIRST_BYTE] = permit.check
        if call.after_bytes is not None:
            request.extensions[AFTER_BYTES] = call.after_bytes
        return request

    def _headers_for(self, call: Call, token: AccessToken) -> httpx.Headers:
        key = (call.entity_id, call.marketplace_id, call.body is None)
        known = self._headers.get(key)
        if known is not None and known[0] is token:
            return known[1]
        headers = self.http.headers.copy()
        headers["Authorization"] = f"Bearer {token.reveal()}"
        headers["Amazon-Advertising-API-ClientId"] = self.client_id
        headers["Accept"] = "application/json"
        if call.entity_id is not None and call.marketplace_id is not None:
            headers["Amazon-Advertising-API-AdvertiserId"] = call.entity_id
            headers["Amazon-Advertising-API-MarketplaceId"] = call.marketplace_id
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        self._headers[key] = token, headers
        return headers

    def _record(self, call: Call, seen: _Seen, seconds: float) -> None:
        self.call_log.record(
            CallRecord(
                caller=self.caller,
                call=call.name,
                instance=call.instance,
                request_id=seen.request_id,
                method=call.method,
                path=call.path,
                status=seen.status,
                duration_ms=round(seconds * 1000, 3),
                error_code=seen.error_code,
            )
        )


def _address(call: Call) -> httpx.URL:
    address = call.base_url.rstrip("/") + call.path
    return httpx.URL(address, params=dict(call.query)) if call.query else _parsed(address)
