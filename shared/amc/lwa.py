"""Login with Amazon's token endpoint: trades a refresh token, or a code, for an access token.

Errors follow AMC_API 3. No token, code or secret ever gets into a message: of an error answer
only Amazon's two error members are shown, and those pass through redaction.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import httpx
from pydantic import SecretStr

from shared.amc.bodies import Answer, UndecodableAnswer, read_body
from shared.amc.call_log import INTERRUPTED, CallLog, CallRecord, NoCallLog
from shared.amc.retry import Repeat
from shared.amc.retry_after import retry_after
from shared.amc.translate import amc_errors
from shared.domain.clock import utc_now
from shared.domain.errors import (
    AmcflowError,
    AmcThrottled,
    AmcUnavailable,
    CredentialRevoked,
    PermanentError,
)
from shared.security.secrets import AccessToken, RefreshToken

_MAX_BODY_BYTES: Final = 64 * 1024
_SERVER_ERROR: Final = 500
_LONGEST_LIFE_SECONDS: Final = 24 * 3600
_ASSUMED_LIFE_SECONDS: Final = 3600
_CLIENT_ERRORS: Final = frozenset({"invalid_client", "unauthorized_client"})


class LoginClientRejected(PermanentError):
    """Login with Amazon does not accept this application's own credentials."""

    code = "login_client_rejected"
    default_hint = (
        "Check AMAZON_CLIENT_ID and AMAZON_CLIENT_SECRET against the security profile in the"
        " Login with Amazon console; the secret may have been rotated there."
    )


class LoginRequestRejected(PermanentError):
    """Login with Amazon refuses the request itself, not the grant."""

    code = "login_request_rejected"
    default_hint = "Amazon's own words are in the message; it may be a bug in amcflow."


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What Amazon granted. Store the refresh token if one came back, keep the old one if not."""

    access_token: AccessToken
    refresh_token: RefreshToken | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LoginWithAmazon:
    """The token endpoint, for one application."""

    http: httpx.AsyncClient
    client_id: str
    client_secret: SecretStr
    call_log: CallLog = field(default_factory=NoCallLog)
    caller: str = "token_refresher"
    repeat: Repeat = field(default_factory=Repeat)
    longest: timedelta = timedelta(seconds=30)
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = utc_now

    async def refresh(
        self, refresh_token: RefreshToken, *, token_url: str, give_up_at: float
    ) -> TokenGrant:
        """CredentialRevoked if the grant is gone for good; repeats on network errors and 5xx."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token.reveal()}

        async def once() -> TokenGrant:
            return await self._attempt("refresh_token", token_url, form)

        return await self.repeat.run(once, give_up_at=give_up_at)

    async def exchange_code(self, code: str, *, redirect_uri: str, token_url: str) -> TokenGrant:
        """For the code a user brought back from Amazon: good once, so never repeated."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return await self._attempt("exchange_code", token_url, form)

    async def _attempt(self, name: str, token_url: str, form: Mapping[str, str]) -> TokenGrant:
        started = self.clock()
        answer: Answer | None = None
        error_code: str | None = INTERRUPTED
        try:
            answer = await self._post(name, token_url, form)
            grant = _judge(answer)
            error_code = None
        except AmcflowError as error:
            error_code = error.code
            raise
        finally:
            seconds = self.clock() - started
            self._record(name, token_url, answer=answer, error_code=error_code, seconds=seconds)
        return grant

    def _record(
        self,
        name: str,
        token_url: str,
        *,
        answer: Answer | None,
        error_code: str | None,
        seconds: float,
    ) -> None:
        self.call_log.record(
            CallRecord(
                caller=self.caller,
                call=name,
                instance=None,
                request_id=None if answer is None else answer.request_id,
                method="POST",
                path=httpx.URL(token_url).path,
                status=None if answer is None else answer.status,
                duration_ms=round(seconds * 1000, 3),
                error_code=error_code,
            )
        )

    async def _post(self, name: str, token_url: str, form: Mapping[str, str]) -> Answer:
        secrets = {
            "client_id": self.client_id,
            "client_secret": self.client_secret.get_secret_value(),
        }
        request = self.http.build_request("POST", token_url, data={**form, **secrets})
        # A refresh can be repeated: Amazon answers with the same refresh token (AMC_API 3).
        with amc_errors(name, safe_to_repeat=True):
            async with asyncio.timeout(self.longest.total_seconds()):
                response = await self.http.send(request, stream=True)
                try:
                    body = await read_body(response, _MAX_BODY_BYTES)
                finally:
                    await response.aclose()
        return Answer(response.status_code, response.headers, body, self.now())


def _judge(answer: Answer) -> TokenGrant:
    try:
        members = answer.members()
    except UndecodableAnswer:
        members = {}
    if answer.is_success:
        return _grant(members, answer.received_at)
    raise _refusal(answer, members)


def _grant(members: Mapping[str, object], received_at: datetime) -> TokenGrant:
    access, refresh = members.get("access_token"), members.get("refresh_token")
    expires_at = received_at + _life(members.get("expires_in"))
    try:
        return TokenGrant(
            AccessToken(access if isinstance(access, str) else "", expires_at=expires_at),
            RefreshToken(refresh) if isinstance(refresh, str) and refresh else None,
            expires_at,
        )
    except ValueError as error:
        raise AmcUnavailable(f"Login with Amazon answered 200 without a token: {error}.") from None


def _life(expires_in: object) -> timedelta:
    if isinstance(expires_in, str) and expires_in.isascii() and expires_in.isdigit():
        expires_in = int(expires_in[:9])
    if isinstance(expires_in, bool) or not isinstance(expires_in, int) or expires_in <= 0:
        return timedelta(seconds=_ASSUMED_LIFE_SECONDS)
    return timedelta(seconds=min(expires_in, _LONGEST_LIFE_SECONDS))


def _refusal(answer: Answer, members: Mapping[str, object]) -> AmcflowError:
    text = f"Login with Amazon: {answer.error_text()}"
    match answer.status, members.get("error"):
        case 429, _:
            return AmcThrottled(text, wait=retry_after(answer.headers, answer.received_at))
        case status, _ if status >= _SERVER_ERROR or status < 400:  # noqa: PLR2004 - not a 4xx
            return AmcUnavailable(text, wait=retry_after(answer.headers, answer.received_at))
        case _, "invalid_grant":
            return CredentialRevoked(text)
        case status, str(error) if error in _CLIENT_ERRORS or status == 401:  # noqa: PLR2004 - as RFC 6749 5.2
            return LoginClientRejected(text)
        case _, str():
            return LoginRequestRejected(text)
        case _:
            # A 4xx without OAuth's members comes from something in between, not from Amazon.
            return AmcUnavailable(text)
