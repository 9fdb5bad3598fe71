"""Login with Amazon's token endpoint, with its error bodies; the page is in `authorize`."""

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.simulator import Simulator
from services.simulator.tokens import Grant

_INVALID_GRANT = (
    "The request has an invalid grant parameter : {}."
    " User may have revoked or didn't grant the permission."
)


class LoginError(Exception):
    """An OAuth error answer."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description


def form_of(raw: bytes) -> dict[str, str]:
    """The members of a form or JSON body, whatever its Content-Type says; none if it is neither.

    Amazon's own client sends JSON without any Content-Type.
    """
    text = raw.decode("utf-8", "replace")
    if not text.lstrip().startswith("{"):
        return dict(parse_qsl(text))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    members = value.items() if isinstance(value, dict) else ()
    return {key: member for key, member in members if isinstance(member, str)}


def _basic_login(header: str | None) -> dict[str, str]:
    """The login in an HTTP Basic header, form-encoded first as RFC 6749 2.3.1 has it."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return {}
    client_id, _, client_secret = text.partition(":")
    return {"client_id": unquote_plus(client_id), "client_secret": unquote_plus(client_secret)}


@dataclass(frozen=True, slots=True)
class Login:
    """POST /auth/o2/token."""

    simulator: Simulator

    def routes(self) -> list[Route]:
        return [Route("/auth/o2/token", self.token, methods=["POST"])]

    async def token(self, request: Request) -> Response:
        form = form_of(await request.body())
        if self.simulator.switches.basic_client_login:
            form = {**_basic_login(request.headers.get("authorization")), **form}
        tokens = self.simulator.tokens
        try:
            grant = self._grant(form)
        except LoginError as failure:
            tokens.refused += 1
            body = {"error": failure.error, "error_description": failure.description}
            body["request_id"] = str(request.state.request_id)
            return Response(json.dumps(body), failure.status, media_type="application/json")
        if self.simulator.switches.one_access_token:
            tokens.expire_all_of(grant)
        body = {
            "access_token": tokens.issue(grant),
            "refresh_token": grant.refresh_token,
            "token_type": "bearer",
        }
        expires_in = max(1, int(tokens.lifetime.total_seconds()))
        payload = json.dumps({**body, "expires_in": expires_in})
        headers = {"cache-control": "no-store", "pragma": "no-cache"}
        return Response(payload, 200, headers, media_type="application/json")

    def _grant(self, form: dict[str, str]) -> Grant:
        kind = form.get("grant_type")
        if not kind:
            raise _missing("grant_type")
        if kind not in {"refresh_token", "authorization_code"}:
            text = "The authorization grant type is not supported by the authorization server"
            raise LoginError(400, "unsupported_grant_type", text)
        self._check_client(form)
        return self._refreshed(form) if kind == "refresh_token" else self._redeemed(form)

    def _check_client(self, form: dict[str, str]) -> None:
        for name in ("client_id", "client_secret"):
            if not form.get(name):
                raise _missing(name)
        settings = self.simulator.settings
        secret = settings.client_secret.get_secret_value()
        given = form["client_secret"].encode("utf-8", "replace")
        same_secret = hmac.compare_digest(given, secret.encode())
        if form["client_id"] != settings.client_id or not same_secret:
            raise LoginError(401, "invalid_client", "Client authentication failed")

    def _refreshed(self, form: dict[str, str]) -> Grant:
        if not form.get("refresh_token"):
            raise _missing("refresh_token")
        tokens = self.simulator.tokens
        grant = tokens.grant(form["refresh_token"])
        if grant is None:
            raise LoginError(400, "invalid_grant", _INVALID_GRANT.format("refresh_token"))
        if self.simulator.switches.rotate_refresh_tokens:
            tokens.rotate(grant)
        tokens.refreshes += 1
        return grant

    def _redeemed(self, form: dict[str, str]) -> Grant:
        for name in ("code", "redirect_uri"):
            if not form.get(name):
                raise _missing(name)
        tokens = self.simulator.tokens
        verifier = form.get("code_verifier", "")
        if not verifier and tokens.expects_verifier(form["code"]):
            raise _missing("code_verifier")
        grant = tokens.redeem(form["code"], form["redirect_uri"], verifier)
        if grant is None:
            raise LoginError(400, "invalid_grant", _INVALID_GRANT.format("code"))
        return grant


def _missing(name: str) -> LoginError:
    text = f"The request is missing a required parameter : {name}"
    return LoginError(400, "invalid_request", text)
