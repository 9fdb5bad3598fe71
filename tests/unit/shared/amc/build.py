"""Builders and fakes for the tests of the AMC client: honest defaults, no waiting."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from shared.amc.attempt import Attempts
from shared.amc.bodies import Answer
from shared.amc.call_log import CallRecord
from shared.amc.client import AmcClient
from shared.amc.permits import CallClass, Permit
from shared.amc.retry import Repeat
from shared.amc.target import AmcTarget, ExecutionRequest, TimeWindow
from shared.domain.ids import (
    AmcInstanceId,
    AmcWorkflowId,
    EntityId,
    InstanceKey,
    MarketplaceId,
)
from shared.security.secrets import AccessToken

NOW = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
FAR = 1e9
TOKEN = AccessToken("Atza|valid", expires_at=NOW + timedelta(hours=1))
OLD_TOKEN = AccessToken("Atza|old", expires_at=NOW - timedelta(seconds=1))
EXECUTION_ID = "3f0c7b8e-2f4e-4b0e-9d57-1f1f0e5a7c11"
EXECUTION = {
    "workflowExecutionId": EXECUTION_ID,
    "workflowId": "wf-1",
    "status": "PENDING",
    "createTime": "2025-06-01T11:59:58.123Z",
}


class Clock:
    """Monotonic seconds that move only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@dataclass
class FakePermits:
    clock: Clock
    wait: float = 0.0
    taken: list[tuple[int, CallClass]] = field(default_factory=list)

    async def take(self, instance: InstanceKey, call_class: CallClass) -> Permit:
        self.taken.append((instance, call_class))
        return make_permit(self.clock, wait=self.wait)


class FakeCallLog:
    def __init__(self) -> None:
        self.records: list[CallRecord] = []

    def record(self, call: CallRecord) -> None:
        self.records.append(call)


def make_permit(clock: Clock, *, wait: float = 0.0) -> Permit:
    ready = clock() + wait
    return Permit.booked(earliest=ready, latest=ready, clock=clock, sleep=clock.sleep)


def make_target(base_url: str = "https://amc.test") -> AmcTarget:
    return AmcTarget(
        AmcInstanceId("amctest1"),
        EntityId("ENTITY1"),
        MarketplaceId("ATVPDKIKX0DER"),
        InstanceKey(7),
        base_url,
    )


def make_request() -> ExecutionRequest:
    return ExecutionRequest(AmcWorkflowId("wf-1"), TimeWindow())


def make_answer(
    status: int = 200,
    body: bytes | None = b"{}",
    *,
    headers: dict[str, str] | None = None,
    token_was_expired: bool = False,
) -> Answer:
    return Answer(status, httpx.Headers(headers or {}), body, NOW, token_was_expired)


@dataclass
class Bench:
    """A client over scripted answers, with everything it touched."""

    client: AmcClient
    clock: Clock
    permits: FakePermits
    log: FakeCallLog
    requests: list[httpx.Request]


def make_bench(*script: httpx.Response | Exception, permit_wait: float = 0.0) -> Bench:
    clock, log, requests = Clock(), FakeCallLog(), list[httpx.Request]()
    permits = FakePermits(clock, permit_wait)
    attempts = Attempts(
        http=httpx.AsyncClient(transport=httpx.MockTransport(player(script, requests))),
        client_id="amzn1.application-oa2-client.test",
        call_log=log,
        caller="test",
        clock=clock,
        now=lambda: NOW,
    )
    repeat = Repeat(clock=clock, sleep=clock.sleep)
    return Bench(AmcClient(attempts, permits, repeat), clock, permits, log, requests)


def player(
    script: Iterable[httpx.Response | Exception], requests: list[httpx.Request]
) -> Callable[[httpx.Request], httpx.Response]:
    """Gives the next answer, or raises it, and keeps the request."""
    steps = iter(script)

    def play(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        step = next(steps)
        if isinstance(step, Exception):
            raise step
        return step

    return play
