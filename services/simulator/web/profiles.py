"""`/v2/profiles` of the Ads API, and Login with Amazon's `/user/profile`."""

import json
from dataclasses import dataclass
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.simulator import Simulator
from services.simulator.web.answers import JSON
from services.simulator.web.door import Door, bearer
from services.simulator.world import Account

# marketplace id -> country, currency, time zone
_MARKETPLACES = {
    "ATVPDKIKX0DER": ("US", "USD", "America/Los_Angeles"),
    "A2EUQ1WTGCTBG2": ("CA", "CAD", "America/Los_Angeles"),
    "A1AM78C64UM0Y8": ("MX", "MXN", "America/Los_Angeles"),
    "A2Q3Y263D00KWC": ("BR", "BRL", "America/Sao_Paulo"),
    "A1F83G8C2ARO7P": ("UK", "GBP", "Europe/London"),
    "A1PA6795UKMFR9": ("DE", "EUR", "Europe/Paris"),
    "A13V1IB3VIYZZH": ("FR", "EUR", "Europe/Paris"),
    "APJ6JRA9NG5V4": ("IT", "EUR", "Europe/Paris"),
    "A1RKKUPIHCS9HS": ("ES", "EUR", "Europe/Paris"),
    "A1805IZSGTT6HS": ("NL", "EUR", "Europe/Amsterdam"),
    "A2NODRKZP88ZB9": ("SE", "SEK", "Europe/Stockholm"),
    "A33AVAJ2PDY3EV": ("TR", "TRY", "Europe/Istanbul"),
    "A17E79C6D8DWNP": ("SA", "SAR", "Asia/Riyadh"),
    "A2VIGQ35RCS4UG": ("AE", "AED", "Asia/Dubai"),
    "A39IBJ37TRP1C6": ("AU", "AUD", "Australia/Sydney"),
    "A1VC38T7YXB528": ("JP", "JPY", "Asia/Tokyo"),
    "A21TJRUUN4KGV": ("IN", "INR", "Asia/Kolkata"),
}
# The start of an Ads host's name -> the countries whose profiles it has.
_REGIONS = {
    "advertising-api-eu.": frozenset(
        {"UK", "DE", "FR", "IT", "ES", "NL", "SE", "TR", "SA", "AE", "IN"}
    ),
    "advertising-api-fe.": frozenset({"AU", "JP"}),
    "advertising-api.": frozenset({"US", "CA", "MX", "BR"}),
}
_USER = {
    "email": "advertiser@simulator.invalid",
    "name": "Simulated Advertiser",
    "postal_code": "98109",
    "user_id": "amzn1.account.SIMULATOR000000000000000000",
}
_TYPE = "seller"


@dataclass(frozen=True, slots=True)
class Profiles:
    """One seller profile for every account that the caller may see."""

    simulator: Simulator
    door: Door

    def routes(self) -> list[Route]:
        return [
            Route("/v2/profiles", self.list_profiles, methods=["GET"]),
            Route("/user/profile", self.user, methods=["GET"]),
        ]

    async def list_profiles(self, request: Request) -> Response:
        """A bare array, of the host's region if it is one of Amazon's; no types but seller."""
        allowed = self.door.token(request).grant.accounts
        kinds = request.query_params.get("profileTypeFilter") or _TYPE
        wanted = _TYPE in kinds.lower().split(",")
        countries = _countries(request.headers.get("host", ""))
        found = [
            _profile(account)
            for entity, account in sorted(self.simulator.world.accounts.items())
            if wanted and (allowed is None or entity in allowed)
        ]
        shown = [one for one in found if countries is None or one["countryCode"] in countries]
        return Response(json.dumps(shown), 200, media_type=JSON)

    async def user(self, request: Request) -> Response:
        """The token comes as Bearer, as `?access_token=` or as `x-amz-access-token`."""
        token = (
            bearer(request.headers.get("authorization"))
            or request.query_params.get("access_token")
            or request.headers.get("x-amz-access-token")
        )
        if not token:
            text = "The request is missing a required parameter : access_token"
            return _error(request, 400, "invalid_request", text)
        found = self.simulator.tokens.access(token)
        if found is None:
            text = "The request has an invalid parameter : access_token"
            return _error(request, 400, "invalid_token", text)
        refuse = self.simulator.switches.profile_without_scope == "refuse"
        if refuse and "profile" not in found.grant.scopes:
            text = "The access token does not have the scope profile"
            return _error(request, 403, "insufficient_scope", text)
        return Response(json.dumps(_USER), 200, media_type=JSON)


def _countries(host: str) -> frozenset[str] | None:
    """Those of the region that the host serves; None for a host that is not Amazon's."""
    return next((found for start, found in _REGIONS.items() if host.startswith(start)), None)


def _error(request: Request, status: int, error: str, description: str) -> Response:
    body = {"error": error, "error_description": description}
    body["request_id"] = str(request.state.request_id)
    return Response(json.dumps(body), status, media_type=JSON)


def _profile(account: Account) -> dict[str, object]:
    entry = account.entry
    country, currency, zone = _MARKETPLACES.get(entry.marketplace_id, ("US", "USD", "UTC"))
    digest = blake2b(entry.account_id.encode(), digest_size=8).digest()
    return {
        "accountInfo": {
            "id": "A" + digest.hex().upper()[:13],
            "marketplaceStringId": entry.marketplace_id,
            "name": entry.account_name,
            "type": _TYPE,
            "validPaymentMethod": True,
        },
        "countryCode": country,
        "currencyCode": currency,
        "profileId": int.from_bytes(digest, "big") >> 14,
        "timezone": zone,
    }
