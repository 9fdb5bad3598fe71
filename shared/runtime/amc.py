"""AMC as one service uses it: client, tokens, budget and the book of calls, opened together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.amc.attempt import Attempts
from shared.amc.client import AmcClient
from shared.db.calls import CallBook
from shared.db.pool import Database
from shared.db.rate_budget import RateBudgets
from shared.db.tokens import Logins
from shared.http.client import Timeouts, amc_client
from shared.runtime.access import Access
from shared.runtime.call_log import BufferedCallLog
from shared.runtime.permits import BudgetPermits
from shared.runtime.reach import Reach
from shared.security.tokens import TokenVault
from shared.settings import AmcCallSettings


@dataclass(frozen=True, slots=True)
class AmcParts:
    """What handlers that call AMC are built from."""

    client: AmcClient
    reach: Reach
    permits: BudgetPermits
    call_log: BufferedCallLog


def keys_of(setting: str) -> list[str]:
    """The keys of a setting: newest first, separated by commas."""
    return [key.strip() for key in setting.split(",") if key.strip()]


@asynccontextmanager
async def open_amc(
    settings: AmcCallSettings, database: Database, *, caller: str
) -> AsyncIterator[AmcParts]:
    """Open all of it; a malformed key is refused here, by name."""
    vault = TokenVault(
        keys_of(settings.access_token_keys.get_secret_value()), setting="ENCRYPTION_KEY"
    )
    budgets = RateBudgets(database)
    permits = BudgetPermits(budgets)
    call_log = BufferedCallLog(CallBook(database))
    async with amc_client(Timeouts(read=settings.http_timeout)) as http:
        yield AmcParts(
            client=AmcClient(
                Attempts(http, settings.client_id, call_log, caller),
                permits,
            ),
            reach=Reach(Access(Logins(database), vault, settings.base_url), budgets),
            permits=permits,
            call_log=call_log,
        )
