"""The AMC client on real sockets, with an open budget and a log in memory."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx

from shared.amc.attempt import Attempts
from shared.amc.client import AmcClient
from shared.amc.permits import CallClass, Permit
from shared.amc.retry import Repeat
from shared.amc.target import AmcTarget, ExecutionRequest, TimeWindow
from shared.domain.ids import (
    AmcExecutionId,
    AmcInstanceId,
    AmcWorkflowId,
    EntityId,
    InstanceKey,
    MarketplaceId,
)
from shared.http.client import Timeouts, amc_client
from shared.security.secrets import AccessToken
from tests.unit.shared.amc.build import FakeCallLog

TOKEN = AccessToken("Atza|token")
EXECUTION_ID = AmcExecutionId("e-1")
QUICK = Timeouts(
    connect=timedelta(seconds=2),
    read=timedelta(milliseconds=150),
    write=timedelta(milliseconds=150),
    pool=timedelta(seconds=2),
)


@dataclass
class CountingPermits:
    taken: int = 0

    async def take(self, instance: InstanceKey, call_class: CallClass) -> Permit:
        self.taken += 1
        return fresh_permit()


@dataclass
class Rig:
    client: AmcClient
    http: httpx.AsyncClient
    permits: CountingPermits
    log: FakeCallLog
    target: AmcTarget

    async def create(self, *, permit: Permit | None = None, sql: str = "") -> None:
        request = ExecutionRequest(AmcWorkflowId("wf-1"), TimeWindow(), {"p": sql} if sql else {})
        await self.client.create_execution(
            self.target, TOKEN, request, permit=permit or fresh_permit()
        )

    async def get(self) -> None:
        await self.client.get_execution(self.target, TOKEN, EXECUTION_ID, give_up_at=later())

    async def cancel(self) -> None:
        await self.client.cancel_execution(self.target, TOKEN, EXECUTION_ID, give_up_at=later())


def later() -> float:
    return time.monotonic() + 60


def fresh_permit() -> Permit:
    # Real clocks on a busy machine: expiry is tested on purpose elsewhere, not by accident here.
    return Permit(time.monotonic(), later())


async def no_wait(_: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def rig(base_url: str, timeouts: Timeouts = QUICK, *, longest: float = 60, attempts: int = 3):
    permits, log = CountingPermits(), FakeCallLog()
    async with amc_client(timeouts) as http:
        made = Attempts(http, "client-id", log, "test", longest=timedelta(seconds=longest))
        client = AmcClient(made, permits, Repeat(attempts=attempts, sleep=no_wait))
        target = AmcTarget(
            AmcInstanceId("amc1"), EntityId("E"), MarketplaceId("M"), InstanceKey(1), base_url
        )
        yield Rig(client, http, permits, log, target)
