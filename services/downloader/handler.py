"""Turns one DownloadResult command into rows in schema `results` and a completed execution.

The command is acknowledged as soon as the execution is claimed: a download may take longer than
the broker holds a message. From then on the lease, renewed while the work goes on, is what
keeps others away, and the rescuer sends the command again when it runs out.

If this process dies at any point before the load's one transaction commits, nothing of it is
left: the parts are unlinked files, the rows are rolled back. If it dies after, the execution is
completed and the next delivery finds nothing to claim. A second delivery at the same time is
refused by the claim (a ConflictError, acknowledged). A worker that lost its lease to another is
stopped by the renewal; if it is frozen meanwhile, its commit fails on the fence.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from services.downloader.following import followed_by
from services.downloader.lease import kept
from services.downloader.part import SpooledPart
from shared.amc.models import DownloadLinks, RemoteExecution
from shared.amc.results import ResultPart
from shared.db.results.order import DeclaredColumn, LoadedResult, LoadOrder, Part
from shared.domain.claims import DownloadClaim
from shared.domain.errors import (
    AmcflowError,
    ConflictError,
    PermanentError,
    PermitExpired,
    ResultGone,
    ResultTooLarge,
    ResultUnavailable,
    SpoolFull,
    TransientError,
)
from shared.domain.pacing import backoff
from shared.messaging.messages import DownloadResult
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach

log = get_logger()

LINK_ATTEMPTS: Final = 3
"""How often new links are asked for within one claim; then a timer brings the command back."""
MAX_POSTPONED: Final = 60
"""With the waits of `PACE` some four hours; a result out of reach until then is gone."""
_AFTER_A_BUG: Final = timedelta(minutes=1)
_AFTER_A_MISSED_TURN: Final = timedelta(milliseconds=500)
PACE: Final = partial(backoff, first=timedelta(seconds=4), longest=timedelta(minutes=5))
_GIVE_BACK_SECONDS: Final = 5.0


class Delivery(Protocol):
    """The message the command came in."""

    @property
    def acknowledge(self) -> Callable[[], Awaitable[None]]:
        """The broker may forget it: the lease takes over."""


class Executions(Protocol):
    """Where executions are claimed and moved; every write carries the claim's fence."""

    async def claim_for_download(self, execution_id: UUID) -> DownloadClaim:
        """StaleTransition if it is not to be downloaded by us now."""

    async def renew(self, claim: DownloadClaim) -> None:
        """StaleTransition if the claim was lost."""

    async def give_back(self, claim: DownloadClaim) -> None:
        """Another worker may go on at once."""

    async def mark_failed(self, claim: DownloadClaim, error: AmcflowError) -> None:
        """There is no result to be had."""

    async def postpone(self, claim: DownloadClaim, *, wait: timedelta, reason: str) -> None:
        """A timer brings the command back after `wait`."""


class Amc(Protocol):
    """AMC for one claim; opens its token and takes its permits. Transient or permanent errors."""

    async def get_execution(self, claim: DownloadClaim) -> RemoteExecution:
        """For the columns and the output location it declares."""

    async def download_links(self, claim: DownloadClaim) -> DownloadLinks:
        """New links to all parts, in order. ResultGone if there will never be any."""


class ResultFiles(Protocol):
    """Where the links lead."""

    def open(self, link: str) -> AbstractAsyncContextManager[ResultPart]:
        """ResultUnavailable, also while reading: a new link is needed."""


class Spool(Protocol):
    """Holds parts on this machine until they are loaded."""

    def session(self) -> AbstractAsyncContextManager["Shelf"]:
        """A place for the parts of one result; all of it is gone afterwards."""


class Shelf(Protocol):
    """The parts of one result."""

    async def fill(
        self,
        sources: Mapping[str, Callable[[], AbstractAsyncContextManager[ResultPart]]],
        on_growth: Callable[[Sequence[SpooledPart]], None] | None = None,
    ) -> Sequence[SpooledPart]:
        """Fetch what is not there yet, side by side; the parts in the order of `sources`.

        `on_growth` is told of the parts while they arrive."""


class Results(Protocol):
    """Where rows go."""

    async def load(self, order: LoadOrder) -> LoadedResult:
        """Rows and `completed` in one transaction; StaleTransition if the claim was lost."""


@dataclass(frozen=True, slots=True)
class DownloadHandler:
    """Downloads one result at a time; one lane of the consumer is one place for a download."""

    executions: Executions
    amc: Amc
    files: ResultFiles
    spool: Spool
    results: Results
    lease: timedelta = timedelta(seconds=60)
    """As long as the one that `executions` takes."""
    pace: Callable[[int], timedelta] = PACE
    """How long to wait after so many postponements, where nobody named a time."""

    async def __call__(self, command: DownloadResult, delivery: Delivery, /) -> None:
        claim = await self.executions.claim_for_download(command.execution_id)
        reach(StopPoint.DOWNLOAD_CLAIMED)
        try:
            await delivery.acknowledge()
            reach(StopPoint.DOWNLOAD_ACKNOWLEDGED)
            async with kept(self.executions.renew, claim, life=self.lease):
                loaded = await self._store(claim)
        except asyncio.CancelledError:
            await self._give_back(claim)
            raise
        except ConflictError as error:
            log.info("download_lost", reason=error.message)
        except PermanentError as error:
            await self._fail(claim, error)
        except (ResultUnavailable, SpoolFull) as error:
            await self._wait_or_fail(claim, error)
        except TransientError as error:
            await self._postpone(claim, error)
        except Exception:
            # The consumer counts the attempts; without the lease the next one can claim.
            await self.executions.postpone(claim, wait=_AFTER_A_BUG, reason="our own code failed")
            raise
        else:
            log.info(
                "result_stored",
                rows=loaded.row_count,
                bytes=loaded.size_bytes,
                table=loaded.table_name,
                broken_types=loaded.broken_types,
                replaced_characters=loaded.replaced_characters,
            )

    async def _store(self, claim: DownloadClaim) -> LoadedResult:
        columns, location = await self._described(claim)
        declared = [DeclaredColumn(*column) for column in columns]

        async def early(
            parts: Sequence[Part], announced: int, arrived: Callable[[], Awaitable[None]]
        ) -> LoadedResult:
            order = LoadOrder(claim, parts, declared, location, announced, arrived)
            return await self.results.load(order)

        async with self.spool.session() as shelf, followed_by(early) as following:
            parts = await self._fetch(claim, shelf, following.look)
            reach(StopPoint.DOWNLOAD_SPOOLED)
            if not all(part.is_text for part in parts):
                await following.give_up()
                await self._confirm(claim, parts)
                return await self.results.load(LoadOrder(claim, parts, declared, location))
            loaded = await following.loaded()
            return loaded or await self.results.load(LoadOrder(claim, parts, declared, location))

    async def _confirm(self, claim: DownloadClaim, parts: Sequence[SpooledPart]) -> None:
        """Bytes that are no text may have been spoilt on the way; AMC's own come alike again."""
        async with self.spool.session() as shelf:
            again = await self._fetch(claim, shelf)
            if [part.sha256 for part in again] != [part.sha256 for part in parts]:
                raise ResultUnavailable("The result came with other bytes the second time.")

    async def _described(
        self, claim: DownloadClaim
    ) -> tuple[Sequence[tuple[str, str | None]], str | None]:
        """Columns and location, as the poller saw them; otherwise for one more call to AMC."""
        if claim.output_columns is not None:
            return claim.output_columns, claim.output_location
        remote = await self.amc.get_execution(claim)
        return remote.output_columns, remote.output_location or claim.output_location

    async def _fetch(
        self,
        claim: DownloadClaim,
        shelf: Shelf,
        on_growth: Callable[[Sequence[SpooledPart]], None] | None = None,
    ) -> Sequence[SpooledPart]:
        failure = ResultUnavailable("AMC gave no links to the result.")
        for _ in range(LINK_ATTEMPTS):
            links = (await self.amc.download_links(claim)).urls
            try:
                if links:
                    return await shelf.fill(self._sources(links), on_growth)
            except ResultUnavailable as error:
                log.info("result_links_unusable", reason=error.message)
                failure = error
        raise failure

    def _sources(
        self, links: Sequence[str]
    ) -> dict[str, Callable[[], AbstractAsyncContextManager[ResultPart]]]:
        # A new link to the same object differs in its signature only, so finished parts stay.
        return {
            f"{place} {_object_of(link)}": partial(self.files.open, link)
            for place, link in enumerate(links)
        }

    async def _fail(self, claim: DownloadClaim, error: PermanentError) -> None:
        await self.executions.mark_failed(claim, error)
        log.info("download_failed", code=error.code, reason=error.message)

    async def _wait_or_fail(
        self, claim: DownloadClaim, error: ResultUnavailable | SpoolFull
    ) -> None:
        if claim.postponed_count < MAX_POSTPONED:
            await self._postpone(claim, error)
            return
        reason = f"AMC's result could not be fetched, tried for hours: {error.message}"
        is_full = isinstance(error, SpoolFull)
        await self._fail(claim, ResultTooLarge(reason) if is_full else ResultGone(reason))

    async def _postpone(self, claim: DownloadClaim, error: TransientError) -> None:
        # A turn that was missed says nothing about the result: it is taken again soon.
        missed = _AFTER_A_MISSED_TURN if isinstance(error, PermitExpired) else None
        wait = error.wait or missed or self.pace(claim.postponed_count)
        await self.executions.postpone(claim, wait=wait, reason=error.message)
        log.info("download_postponed", code=error.code, seconds=wait.total_seconds())

    async def _give_back(self, claim: DownloadClaim) -> None:
        """Best effort on the way out: without it the lease has to run out first."""
        try:
            async with asyncio.timeout(_GIVE_BACK_SECONDS):
                await self.executions.give_back(claim)
        except (TransientError, ConflictError, TimeoutError) as error:
            log.warning("lease_not_given_back", reason=str(error))


def _object_of(link: str) -> str:
    split = urlsplit(link)
    return f"{split.netloc}{split.path}"
