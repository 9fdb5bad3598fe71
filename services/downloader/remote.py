"""AMC as the download handler sees it: for one claim, with its token, its turns and its pauses."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar

from shared.amc.models import DownloadLinks, RemoteExecution
from shared.amc.target import AmcTarget
from shared.domain.claims import Destination, DownloadClaim
from shared.domain.errors import AmcThrottled, TokenExpired
from shared.domain.ids import AmcExecutionId, InstanceKey
from shared.domain.pacing import backoff
from shared.security.secrets import AccessToken

T = TypeVar("T")


class Client(Protocol):
    """The two calls that lead to a result."""

    async def get_execution(
        self,
        target: AmcTarget,
        token: AccessToken,
        amc_execution_id: AmcExecutionId,
        *,
        give_up_at: float,
    ) -> RemoteExecution: ...
    async def download_links(
        self,
        target: AmcTarget,
        token: AccessToken,
        amc_execution_id: AmcExecutionId,
        *,
        give_up_at: float,
    ) -> DownloadLinks: ...


class Access(Protocol):
    """Where at AMC, and with which token."""

    def target(self, destination: Destination) -> AmcTarget: ...
    async def token(self, destination: Destination) -> AccessToken: ...
    async def refused(self, destination: Destination) -> None: ...


class Budget(Protocol):
    """What AMC's 429 moves on, for everybody."""

    async def pause(self, instance: InstanceKey, wait: timedelta) -> None: ...


@dataclass(frozen=True, slots=True)
class ClaimedAmc:
    """Answers to `services.downloader.handler.Amc`."""

    client: Client
    access: Access
    budget: Budget
    patience: timedelta
    clock: Callable[[], float] = time.monotonic

    async def get_execution(self, claim: DownloadClaim) -> RemoteExecution:
        return await self._ask(claim, self.client.get_execution)

    async def download_links(self, claim: DownloadClaim) -> DownloadLinks:
        return await self._ask(claim, self.client.download_links)

    async def _ask(self, claim: DownloadClaim, call: Callable[..., Awaitable[T]]) -> T:
        destination = claim.destination
        try:
            return await call(
                self.access.target(destination),
                await self.access.token(destination),
                claim.amc_execution_id,
                give_up_at=self.clock() + self.patience.total_seconds(),
            )
        except AmcThrottled as error:
            await self.budget.pause(destination.instance, error.wait or backoff(1))
            raise
        except TokenExpired:
            await self.access.refused(destination)
            raise
