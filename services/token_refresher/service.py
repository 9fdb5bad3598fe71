"""How token_refresher is put together."""

import asyncio
from datetime import timedelta
from typing import Final

from services.token_refresher.handler import Keys, RefreshHandler
from services.token_refresher.settings import RefresherSettings
from shared.amc.lwa import LoginWithAmazon
from shared.db.calls import CallBook
from shared.db.tokens import Refreshes
from shared.http.client import Timeouts, login_client
from shared.messaging.messages import RefreshCredential
from shared.messaging.routes import handles
from shared.runtime.amc import keys_of
from shared.runtime.call_log import BufferedCallLog
from shared.runtime.service import open_messenger, run_until
from shared.runtime.timers import SELDOM_SECONDS, TimerLoop
from shared.security.sealing import SealingPrivateKey
from shared.security.tokens import TokenVault

_LONGEST_ATTEMPT: Final = timedelta(seconds=30)


async def run(settings: RefresherSettings, stop: asyncio.Event) -> None:
    """Refresh tokens until `stop`."""
    keys = _keys(settings)
    async with (
        open_messenger(settings, service="token_refresher") as messenger,
        login_client(Timeouts()) as http,
    ):
        call_log = BufferedCallLog(CallBook(messenger.database))
        login = LoginWithAmazon(
            http,
            settings.client_id,
            settings.client_secret,
            call_log,
            # No attempt begins in the second half of the lease, so none outlasts it.
            longest=min(_LONGEST_ATTEMPT, settings.refresh_lease / 2),
        )
        handler = RefreshHandler(
            Refreshes(messenger.database),
            login,
            keys,
            lease=settings.refresh_lease,
            simulator_url=settings.base_url,
        )
        consumer = messenger.consumer(
            [messenger.topology.refresh_credential], [handles(RefreshCredential, handler)]
        )
        timers = TimerLoop(
            messenger.timers,
            messenger.relay.wake,
            commands=("refresh_credential",),
            every=SELDOM_SECONDS,
        )
        await run_until(
            stop,
            first=[consumer.run, timers.run],
            last=[messenger.relay.run, call_log.run],
        )


def _keys(settings: RefresherSettings) -> Keys:
    return Keys(
        access=TokenVault(
            keys_of(settings.access_token_keys.get_secret_value()), setting="ENCRYPTION_KEY"
        ),
        refresh=TokenVault(
            keys_of(settings.refresh_token_keys.get_secret_value()), setting="REFRESH_TOKEN_KEY"
        ),
        sealing=SealingPrivateKey(
            settings.sealing_private_key.get_secret_value(), setting="SEALING_PRIVATE_KEY"
        ),
    )
