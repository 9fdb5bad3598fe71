"""A downloader without broker and AMC: `python -m benchmarks.load_worker`, an order on stdin.

The handler, the spool, the client of the result store and the loader are the product's, in the
lanes and on the event loop of the product; AMC's answer, a link, is made up. It says how long it
took until the last result could be read page by page, and the most memory it held.
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import uvloop

from benchmarks.processes import environment
from benchmarks.read_memory import peak_mb
from services.downloader.handler import DownloadHandler
from services.downloader.spool import DiskSpool
from shared.amc.link_policy import SimulatorOnly
from shared.amc.models import DownloadLinks, RemoteExecution
from shared.amc.results import ResultStore
from shared.db.downloads import Downloads
from shared.db.pool import Database, open_database
from shared.db.results.load import ResultLoader
from shared.db.results.pages import read_page
from shared.db.results.stored import find_result
from shared.domain.claims import DownloadClaim
from shared.http.client import Timeouts, result_client
from shared.messaging.messages import DownloadResult
from shared.observability.logs import configure

_LEASE = timedelta(seconds=60)
_PAGE = 100


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """What to load: one file for all executions."""

    database_url: str
    executions: Sequence[str]
    link: str
    lanes: int
    spool: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """What it cost."""

    seconds: float
    base_mb: float
    """Before the first load."""
    peak_mb: float


@dataclass(frozen=True, slots=True)
class _Link:
    """AMC, asked for links only."""

    link: str

    async def get_execution(self, claim: DownloadClaim) -> RemoteExecution:
        raise AssertionError(f"the poller has stored the columns of {claim.execution_id}")

    async def download_links(self, _claim: DownloadClaim) -> DownloadLinks:
        return DownloadLinks((self.link,))


class _Delivery:
    @property
    def acknowledge(self) -> Callable[[], Awaitable[None]]:
        return self._acknowledge

    async def _acknowledge(self) -> None:
        """There is no broker."""


def load_in_process(order: WorkOrder) -> Loaded:
    """A downloader of its own process; RuntimeError with what it said if it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load_worker"],
        input=json.dumps(asdict(order)),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return Loaded(**json.loads(done.stdout.splitlines()[-1]))


async def work(order: WorkOrder) -> Loaded:
    """Load them all."""
    origin = order.link.rpartition("/")[0]
    async with (
        open_database(order.database_url, service="bench downloader") as database,
        result_client(Timeouts(), public_addresses_only=False) as http,
    ):
        handler = DownloadHandler(
            Downloads(database, _LEASE),
            _Link(order.link),
            ResultStore(http, SimulatorOnly(origin)),
            DiskSpool(Path(order.spool)),
            ResultLoader(database),
            lease=_LEASE,
        )
        base, started = peak_mb("self"), time.perf_counter()
        waiting = [UUID(text) for text in reversed(order.executions)]

        async def lane() -> None:
            while waiting:
                await handler(DownloadResult(execution_id=waiting.pop()), _Delivery())

        async with asyncio.TaskGroup() as group:
            for _ in range(order.lanes):
                group.create_task(lane())
        await _read_ends(database, UUID(order.executions[-1]))
        return Loaded(time.perf_counter() - started, base, peak_mb("self"))


async def _read_ends(database: Database, execution: UUID) -> None:
    """It is there, and can be paged; NotFound if not."""
    result = await find_result(database, execution)
    for after in (0, max(result.row_count - _PAGE, 0)):
        page = await read_page(database, result, after=after, limit=_PAGE)
        assert len(page.rows) == min(_PAGE, result.row_count)


if __name__ == "__main__":
    configure("bench downloader", version="0")
    # As every service does when it starts.
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(work(WorkOrder(**json.load(sys.stdin)))))))
