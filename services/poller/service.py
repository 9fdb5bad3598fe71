"""How the poller is put together."""

import asyncio

from services.poller.handler import LookPolicy, PollHandler
from services.poller.settings import PollerSettings
from shared.db.polling import Looks
from shared.domain.pacing import LookPace
from shared.messaging.messages import PollInstance
from shared.messaging.routes import handles
from shared.runtime.amc import open_amc
from shared.runtime.service import open_messenger, run_until
from shared.runtime.timers import TimerLoop


async def run(settings: PollerSettings, stop: asyncio.Event) -> None:
    """Look at instances until `stop`."""
    async with (
        open_messenger(settings, service="poller") as messenger,
        open_amc(settings, messenger.database, caller="poller") as amc,
    ):
        pace = LookPace(
            shortest=settings.shortest_look,
            longest=settings.longest_look,
        )
        handler = PollHandler(
            Looks(messenger.database),
            amc.client,
            amc.reach,
            LookPolicy(lease=settings.lease, pace=pace),
        )
        consumer = messenger.consumer(
            [messenger.topology.poll_instance], [handles(PollInstance, handler)]
        )
        timers = TimerLoop(messenger.timers, messenger.relay.wake, commands=("poll_instance",))
        await run_until(
            stop,
            first=[consumer.run, timers.run],
            last=[messenger.relay.run, amc.call_log.run],
        )
