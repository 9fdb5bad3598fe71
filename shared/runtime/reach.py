"""The way to AMC for one piece of work: where, as whom, and what a refusal means to others.

The one place for two rules: a 429 pauses its instance for everybody, and a token that AMC does not
take is reported, so that token_refresher gets a newer one. Handlers only decide what becomes of
their own work.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from shared.amc.target import AmcTarget
from shared.domain.claims import Destination
from shared.domain.errors import AmcThrottled, TokenExpired
from shared.domain.ids import InstanceKey
from shared.domain.pacing import backoff
from shared.security.secrets import AccessToken


class Access(Protocol):
    """Where at AMC, and with which token."""

    def target(self, destination: Destination) -> AmcTarget: ...
    async def token(self, destination: Destination) -> AccessToken: ...
    async def refused(self, destination: Destination) -> None: ...


class Budget(Protocol):
    """The rows that say when the next call may leave."""

    async def pause(self, instance: InstanceKey, wait: timedelta) -> None: ...


@dataclass(frozen=True, slots=True)
class Reached:
    """What every call to AMC starts with."""

    target: AmcTarget
    token: AccessToken


@dataclass(frozen=True, slots=True)
class Reach:
    """Leads to AMC."""

    access: Access
    budget: Budget

    @asynccontextmanager
    async def to(self, destination: Destination) -> AsyncIterator[Reached]:
        """TokenExpired if there is no token to use. Errors of calls made inside pass through;
        an AmcThrottled leaves with the wait for which the instance is paused."""
        try:
            token = await self.access.token(destination)
            yield Reached(self.access.target(destination), token)
        except AmcThrottled as error:
            error.wait = error.wait or backoff(1)
            await self.budget.pause(destination.instance, error.wait)
            raise
        except TokenExpired:
            await self.access.refused(destination)
            raise
