"""Trades a refresh token for the next access token; nobody else talks to Amazon's login.

One refresh at a time for each credential: a second delivery finds the lease taken. If this process
dies between Amazon's answer and our write, the old refresh token is still the stored one, and it
still works (Amazon returns the same one again); the lease runs out and the timer fires again. A
worker that was frozen there finds the version outdated and writes nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from shared.amc.lwa import TokenGrant
from shared.amc.regions import Region, endpoints
from shared.domain.claims import RefreshClaim
from shared.domain.clock import utc_now
from shared.domain.errors import (
    AmcflowError,
    CredentialRevoked,
    DatabaseUnavailable,
    PermanentError,
    TransientError,
)
from shared.domain.pacing import backoff
from shared.messaging.messages import RefreshCredential
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach
from shared.security.sealing import SealingPrivateKey
from shared.security.secrets import RefreshToken
from shared.security.tokens import SealedTokenUnreadable, TokenContext, TokenKind, TokenVault

log = get_logger()

_LARGEST_MARGIN: Final = timedelta(minutes=5)
_WAIT_AFTER_REFUSAL: Final = timedelta(seconds=60)


class Refreshes(Protocol):
    """The stored tokens."""

    async def claim_for_refresh(self, credential_id: UUID, *, lease: timedelta) -> RefreshClaim: ...
    async def store_tokens(
        self,
        claim: RefreshClaim,
        *,
        access: tuple[bytes, str],
        refresh: tuple[bytes, str],
        lives: timedelta,
        refresh_in: timedelta,
    ) -> None: ...
    async def mark_broken(self, claim: RefreshClaim, *, reason: str) -> None: ...
    async def try_again(self, claim: RefreshClaim, *, wait: timedelta) -> None: ...


class Login(Protocol):
    """Login with Amazon."""

    async def refresh(
        self, refresh_token: RefreshToken, *, token_url: str, give_up_at: float
    ) -> TokenGrant: ...


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens and seals tokens."""

    access: TokenVault
    refresh: TokenVault
    sealing: SealingPrivateKey

    def open_refresh_token(self, claim: RefreshClaim) -> RefreshToken:
        """As `api` sealed it on entry, or as this service re-encrypted it since."""
        context = TokenContext(claim.credential_id, TokenKind.REFRESH)
        if claim.key_id == self.sealing.key_id:
            return RefreshToken(self.sealing.open(context, claim.ciphertext, claim.key_id))
        return RefreshToken(self.refresh.open(context, claim.ciphertext, claim.key_id))


@dataclass(frozen=True, slots=True)
class RefreshHandler:
    """Carries out RefreshCredential."""

    refreshes: Refreshes
    login: Login
    keys: Keys
    lease: timedelta
    simulator_url: str | None
    clock: Callable[[], float] = time.monotonic

    async def __call__(self, command: RefreshCredential, /) -> None:
        claim = await self.refreshes.claim_for_refresh(command.credential_id, lease=self.lease)
        reach(StopPoint.REFRESH_CLAIMED)
        try:
            await self._refresh(claim)
        except DatabaseUnavailable:
            raise
        except (CredentialRevoked, SealedTokenUnreadable) as error:
            await self.refreshes.mark_broken(claim, reason=f"{error.message} {error.hint}")
            log.error("credential_broken", error_code=error.code)  # noqa: TRY400 (its text is stored)
        except (TransientError, PermanentError) as error:
            await self._try_again(claim, error)

    async def _refresh(self, claim: RefreshClaim) -> None:
        token = self.keys.open_refresh_token(claim)
        region = endpoints(Region(claim.region), simulator_url=self.simulator_url)
        grant = await self.login.refresh(
            token,
            token_url=region.token_url,
            give_up_at=self.clock() + self.lease.total_seconds() / 2,
        )
        reach(StopPoint.REFRESH_ANSWERED)
        kept = grant.refresh_token or token
        lives = grant.expires_at - utc_now()
        await self.refreshes.store_tokens(
            claim,
            access=self.keys.access.seal(
                TokenContext(claim.credential_id, TokenKind.ACCESS), grant.access_token.reveal()
            ),
            refresh=self.keys.refresh.seal(
                TokenContext(claim.credential_id, TokenKind.REFRESH), kept.reveal()
            ),
            lives=lives,
            refresh_in=refresh_in(lives),
        )
        reach(StopPoint.REFRESH_STORED)
        log.info("token_refreshed", lives_seconds=round(lives.total_seconds()))

    async def _try_again(self, claim: RefreshClaim, error: AmcflowError) -> None:
        """Amazon is away, or refuses us and not the grant: the credential stays as it is."""
        wait = _WAIT_AFTER_REFUSAL
        if isinstance(error, TransientError):
            wait = error.wait or backoff(1)
        await self.refreshes.try_again(claim, wait=wait)
        log.warning(
            "refresh_postponed", error_code=error.code, error=error.message, hint=error.hint
        )


def refresh_in(lives: timedelta) -> timedelta:
    """When to renew a token of this life: before it ends, with time for some failures."""
    return max(lives - min(_LARGEST_MARGIN, lives * 0.4), timedelta(milliseconds=500))
