"""From a stored login to a token that can be used, or a request for a new one.

Only token_refresher talks to Login with Amazon. A worker that finds the token missing, about to
expire or refused asks for a refresh and postpones its work; asking often is harmless.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from shared.amc.regions import Region, endpoints
from shared.amc.target import AmcTarget
from shared.domain.claims import Destination, Login
from shared.domain.clock import utc_now
from shared.domain.errors import TokenExpired
from shared.domain.ids import CredentialId
from shared.security.secrets import AccessToken
from shared.security.tokens import (
    SealedTokenUnreadable,
    TokenContext,
    TokenKind,
    TokenVault,
)

_TOO_SHORT: Final = timedelta(seconds=1)
WAIT_FOR_TOKEN: Final = timedelta(seconds=1)
_WAIT_FOR_KEYS: Final = timedelta(seconds=10)


class LoginBook(Protocol):
    """Where a refresh is asked for."""

    async def request_refresh(self, login: Login) -> None: ...


@dataclass(frozen=True, slots=True)
class Access:
    """Opens access tokens for one service, each once for each version."""

    logins: LoginBook
    vault: TokenVault
    simulator_url: str | None
    _opened: dict[CredentialId, tuple[int, AccessToken]] = field(default_factory=dict)

    def target(self, destination: Destination) -> AmcTarget:
        """The same place in the AMC client's words."""
        region = endpoints(Region(destination.region), simulator_url=self.simulator_url)
        return AmcTarget(
            amc_instance_id=destination.amc_instance_id,
            entity_id=destination.entity_id,
            marketplace_id=destination.marketplace_id,
            instance=destination.instance,
            base_url=region.amc_base_url,
        )

    async def token(self, destination: Destination) -> AccessToken:
        """A token with some life left; TokenExpired if there is none that can be opened."""
        login = destination.login
        if (
            login.ciphertext is None
            or login.key_id is None
            or login.expires_at is None
            or login.expires_at - utc_now() < _TOO_SHORT
        ):
            raise TokenExpired("The access token is missing or expired.", wait=WAIT_FOR_TOKEN)
        known = self._opened.get(login.credential_id)
        if known is not None and known[0] == login.version:
            return known[1]
        context = TokenContext(login.credential_id, TokenKind.ACCESS)
        try:
            opened = self.vault.open(context, login.ciphertext, login.key_id)
        except SealedTokenUnreadable as error:
            # Our keys or the stored ones are behind; a refresh seals a token with the newest.
            raise TokenExpired(f"{error.message} {error.hint}", wait=_WAIT_FOR_KEYS) from error
        token = AccessToken(opened, expires_at=login.expires_at)
        self._opened[login.credential_id] = (login.version, token)
        return token

    async def refused(self, destination: Destination) -> None:
        """AMC does not take this token: ask for a newer one."""
        await self.logins.request_refresh(destination.login)
