"""AMC as one service uses it: client, tokens, budget and the book of calls, opened together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from pydantic import model_validator

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
from shared.runtime.service import WorkerSettings
from shared.security.tokens import TokenVault
from shared.settings import AmcCallSettings


class AmcWorkerSettings(WorkerSettings, AmcCallSettings):
    """What every worker that calls AMC needs."""

    @model_validator(mode="after")
    def refuse_a_stop_in_the_middle_of_a_call(self) -> Self:
        if self.shutdown_grace <= self.http_timeout:
            raise ValueError(
                "AMCFLOW_SHUTDOWN_GRACE_SECONDS must exceed AMCFLOW_HTTP_TIMEOUT_SECONDS, or a stop"
                " would cut creates off from their answers"
            )
        return self


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
                Attempts(http, settings.client_id, call_log, caller, settings.http_timeout),
                permits,
            ),
            reach=Reach(Access(Logins(database), vault, settings.base_url), budgets),
            permits=permits,
            call_log=call_log,
        )
