"""A process that sends one create: `python -m tests.integration.faults.creator <folder> <url>`."""

import asyncio
import sys
import time
from pathlib import Path

import uvloop

from shared.amc.attempt import Attempts
from shared.amc.call_log import NoCallLog
from shared.amc.client import AmcClient
from shared.amc.permits import CallClass, Permit
from shared.amc.target import AmcTarget, ExecutionRequest, TimeWindow
from shared.domain.ids import AmcInstanceId, AmcWorkflowId, EntityId, InstanceKey, MarketplaceId
from shared.http.client import Timeouts, amc_client
from shared.observability.stop_points import watch
from shared.security.secrets import AccessToken


class OpenPermits:
    """A budget that is never used up."""

    async def take(self, instance: InstanceKey, call_class: CallClass) -> Permit:
        now = time.monotonic()
        return Permit(now, now + 60)


async def create(url: str) -> None:
    permits = OpenPermits()
    instance = InstanceKey(1)
    target = AmcTarget(
        AmcInstanceId("amc1"), EntityId("ENTITY1"), MarketplaceId("MARKET"), instance, url
    )
    request = ExecutionRequest(
        AmcWorkflowId("wf"),
        TimeWindow(),
        parameter_values={"brands": "x" * 20_000},
        timeout_seconds=900,
    )
    async with amc_client(Timeouts()) as http:
        client = AmcClient(Attempts(http, "client-id", NoCallLog(), "submitter"), permits)
        await client.warm_up(target)
        permit = await permits.take(instance, CallClass.SUBMIT)
        await client.create_execution(target, AccessToken("Atza|token"), request, permit=permit)


if __name__ == "__main__":
    watch(Path(sys.argv[1]), service="submitter")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(create(sys.argv[2]))
