"""AMC as the download handler sees it: for one claim, with its token, its turns and its pauses."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar

from shared.amc.models import DownloadLinks, RemoteExecution
from shared.amc.target import AmcTarget
from shared.domain.claims import DownloadClaim
from shared.domain.ids import AmcExecutionId
from shared.runtime.reach import Reach
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


@dataclass(frozen=True, slots=True)
class ClaimedAmc:
    """Answers to `services.downloader.handler.Amc`."""

    client: Client
    reach: Reach
    patience: timedelta
    clock: Callable[[], float] = time.monotonic

    async def get_execution(self, claim: DownloadClaim) -> RemoteExecution:
        return await self._ask(claim, self.client.get_execution)

    async def download_links(self, claim: DownloadClaim) -> DownloadLinks:
        return await self._ask(claim, self.client.download_links)

    async def _ask(self, claim: DownloadClaim, call: Callable[..., Awaitable[T]]) -> T:
        async with self.reach.to(claim.destination) as at:
            return await call(
                at.target,
                at.token,
                claim.amc_execution_id,
                give_up_at=self.clock() + self.patience.total_seconds(),
            )
