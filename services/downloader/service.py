"""How the downloader is put together."""

import asyncio

from services.downloader.handler import DownloadHandler
from services.downloader.remote import ClaimedAmc
from services.downloader.settings import DownloaderSettings
from services.downloader.spool import DiskSpool
from shared.amc.link_policy import AllowedHosts, LinkPolicy, SimulatorOnly
from shared.amc.results import ResultStore
from shared.db.downloads import Downloads
from shared.db.results.load import ResultLoader
from shared.http.client import Timeouts, result_client
from shared.messaging.messages import DownloadResult
from shared.messaging.routes import handles_envelope
from shared.runtime.amc import keys_of, open_amc
from shared.runtime.service import open_messenger, run_until
from shared.runtime.timers import SELDOM_SECONDS, TimerLoop


async def run(settings: DownloaderSettings, stop: asyncio.Event) -> None:
    """Load results until `stop`."""
    async with (
        open_messenger(settings, service="downloader") as messenger,
        open_amc(settings, messenger.database, caller="downloader") as amc,
        result_client(
            Timeouts(read=settings.http_timeout), public_addresses_only=settings.use_real_api
        ) as http,
    ):
        handler = DownloadHandler(
            Downloads(messenger.database, settings.lease),
            ClaimedAmc(amc.client, amc.reach, settings.lease),
            ResultStore(http, _links(settings)),
            DiskSpool(settings.spool_folder),
            ResultLoader(messenger.database),
            lease=settings.lease,
        )
        consumer = messenger.consumer(
            [messenger.topology.download_result],
            [handles_envelope(DownloadResult, handler)],
            concurrency=settings.downloads,
        )
        timers = TimerLoop(
            messenger.timers,
            messenger.relay.wake,
            commands=("download_result",),
            every=SELDOM_SECONDS,
        )
        await run_until(
            stop,
            first=[consumer.run, timers.run],
            last=[messenger.relay.run, amc.call_log.run],
        )


def _links(settings: DownloaderSettings) -> LinkPolicy:
    if settings.base_url is not None:
        return SimulatorOnly(settings.base_url)
    return AllowedHosts(tuple(keys_of(settings.result_host_suffixes)))
