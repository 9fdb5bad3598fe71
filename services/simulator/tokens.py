"""Login with Amazon's grants: which refresh tokens are good, which access tokens live."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from services.simulator.clock import Clock

AMC_SCOPE = "advertising::campaign_management"
SCOPES = frozenset(
    {AMC_SCOPE, "advertising::audiences", "advertising::test:create_account", "profile"}
)
DEFAULT_SCOPES = frozenset({AMC_SCOPE, "profile"})
_CODE_SECONDS = 300.0
_SWEEP_EVERY = 1000


@dataclass(slots=True, eq=False)
class Grant:
    """One user's consent. `accounts` limits what it may see; None means every account."""

    refresh_token: str
    accounts: frozenset[str] | None = None
    revoked: bool = False
    scopes: frozenset[str] = DEFAULT_SCOPES


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that may be used until `expires_at`, by the client it was given to."""

    grant: Grant
    expires_at: float


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user said yes to, and how the code of it must be redeemed."""

    scopes: frozenset[str] = DEFAULT_SCOPES
    redirect_uri: str | None = None
    """None for a code that no authorize page gave: any redirect_uri will do."""
    challenge: str | None = None
    """PKCE's S256 challenge."""

    def fits(self, redirect_uri: str, verifier: str) -> bool:
        if self.redirect_uri is not None and self.redirect_uri != redirect_uri:
            return False
        if self.challenge is None:
            return True
        digest = hashlib.sha256(verifier.encode("utf-8", "replace")).digest()
        expected = base64.urlsafe_b64encode(digest).rstrip(b"=")
        return hmac.compare_digest(expected, self.challenge.encode("utf-8", "replace"))


@dataclass(slots=True)
class Code:
    """An authorization code that was not redeemed yet."""

    grant: Grant
    expires_at: float
    consent: Consent


@dataclass(slots=True)
class Tokens:
    """Everything issued so far. Tokens are random, never derived from the seed."""

    clock: Clock
    lifetime: timedelta
    refreshes: int = 0
    refused: int = 0
    grants: dict[str, Grant] = field(default_factory=dict)
    access_tokens: dict[str, AccessToken] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    _issued: int = 0

    def register(self, refresh_token: str, accounts: frozenset[str] | None = None) -> Grant:
        """Makes a refresh token good, again if it was revoked."""
        grant = Grant(refresh_token, accounts)
        self.grants[refresh_token] = grant
        return grant

    def grant(self, refresh_token: str) -> Grant | None:
        """The grant, unless it was revoked or never given."""
        found = self.grants.get(refresh_token)
        return None if found is None or found.revoked else found

    def issue_code(self, consent: Consent | None = None) -> str:
        """A single-use authorization code for a new grant; good for five minutes."""
        code = "SIM" + secrets.token_hex(12)
        consent = consent or Consent()
        grant = Grant("Atzr|sim-" + secrets.token_urlsafe(24), scopes=consent.scopes)
        now = self.clock.now()
        self.codes = {k: v for k, v in self.codes.items() if v.expires_at > now}
        self.codes[code] = Code(grant, now + _CODE_SECONDS, consent)
        return code

    def expects_verifier(self, code: str) -> bool:
        found = self.codes.get(code)
        return found is not None and found.consent.challenge is not None

    def redeem(self, code: str, redirect_uri: str, verifier: str) -> Grant | None:
        """The code's grant, once; a wrong redirect_uri or verifier uses it up too."""
        found = self.codes.pop(code, None)
        if found is None or found.expires_at <= self.clock.now():
            return None
        if not found.consent.fits(redirect_uri, verifier):
            return None
        self.grants[found.grant.refresh_token] = found.grant
        return found.grant

    def issue(self, grant: Grant) -> str:
        """A new access token; older ones live on."""
        token = "Atza|" + secrets.token_urlsafe(48)
        now = self.clock.now()
        self.access_tokens[token] = AccessToken(grant, now + self.lifetime.total_seconds())
        self._issued += 1
        if self._issued % _SWEEP_EVERY == 0:
            self.access_tokens = {k: v for k, v in self.access_tokens.items() if v.expires_at > now}
        return token

    def rotate(self, grant: Grant) -> None:
        """Gives the grant a new refresh token; the old one is unknown from now on."""
        self.grants.pop(grant.refresh_token, None)
        grant.refresh_token = "Atzr|sim-" + secrets.token_urlsafe(24)
        self.grants[grant.refresh_token] = grant

    def access(self, token: str) -> AccessToken | None:
        """The token if it may be used now."""
        found = self.access_tokens.get(token)
        if found is None or found.grant.revoked or found.expires_at <= self.clock.now():
            return None
        return found

    def expire_all_of(self, grant: Grant) -> None:
        """Every access token of one grant is dead."""
        live = self.access_tokens.items()
        self.access_tokens = {key: known for key, known in live if known.grant is not grant}

    def expire(self, token: str) -> None:
        self.access_tokens.pop(token, None)

    def expire_all(self) -> None:
        self.access_tokens.clear()

    def revoke(self, grant: Grant) -> None:
        """The user takes consent back: refresh token and access tokens are dead."""
        grant.revoked = True

    def grant_of_access(self, token: str) -> Grant | None:
        found = self.access_tokens.get(token)
        return found.grant if found else None
