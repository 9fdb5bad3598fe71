"""Brings views of results up to date that could not be changed while somebody was reading them."""

import asyncio
from dataclasses import dataclass
from typing import Final

from shared.db.pool import Database
from shared.db.results.views import refresh_stale_views
from shared.domain.errors import DatabaseUnavailable
from shared.observability.logs import get_logger

log = get_logger()

_EVERY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class ViewKeeper:
    """Looks once a minute; two replicas doing so at once change nothing twice."""

    database: Database

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            try:
                behind = await refresh_stale_views(self.database)
            except DatabaseUnavailable as error:
                log.warning("views_interrupted", error=error.message)
            else:
                if behind:
                    log.info("views_behind", count=behind)
            try:
                async with asyncio.timeout(_EVERY_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue
