"""The AMC client on real sockets: what is sent, what is not, and what nobody can know.

Every scenario runs under asyncio's own loop and under uvloop.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx
import pytest
import uvloop

from shared.amc.attempt import Attempts
from shared.amc.client import AmcClient
from shared.amc.permits import CallClass, Permit
from shared.amc.retry import Repeat
from shared.amc.target import AmcTarget, ExecutionRequest, TimeWindow
from shared.domain.errors import AmcUnavailable, InDoubtError, PermitExpired
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
from tests.integration.amc.wire import (
    EXECUTION_BODY,
    Reader,
    Wire,
    Writer,
    answer,
    answer_all,
    reset,
    serving,
)
from tests.unit.shared.amc.build import FakeCallLog

TOKEN = AccessToken("Atza|token")
EXECUTION_ID = AmcExecutionId("e-1")
QUICK = Timeouts(
    connect=timedelta(seconds=2),
    read=timedelta(milliseconds=150),
    write=timedelta(milliseconds=150),
    pool=timedelta(seconds=2),
)

Scenario = Callable[[], Awaitable[None]]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    return lambda scenario: request.param(scenario())


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


async def closes_at_once(wire: Wire, reader: Reader, writer: Writer) -> None:
    return


async def closes_after_reading(wire: Wire, reader: Reader, writer: Writer) -> None:
    await wire.read_request(reader)


async def resets_after_reading(wire: Wire, reader: Reader, writer: Writer) -> None:
    await wire.read_request(reader)
    reset(writer)


async def cuts_the_headers(wire: Wire, reader: Reader, writer: Writer) -> None:
    await wire.read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")


async def cuts_the_body(wire: Wire, reader: Reader, writer: Writer) -> None:
    await wire.read_request(reader)
    writer.write(answer(EXECUTION_BODY)[:-10])


async def never_answers(wire: Wire, reader: Reader, writer: Writer) -> None:
    await wire.read_request(reader)
    await asyncio.Event().wait()


async def speaks_no_http(wire: Wire, reader: Reader, writer: Writer) -> None:
    await wire.read_request(reader)
    writer.write(b"220 smtp.test ready\r\n\r\n")


async def never_reads(wire: Wire, reader: Reader, writer: Writer) -> None:
    writer.transport.pause_reading()
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "handler",
    [
        closes_at_once,
        closes_after_reading,
        resets_after_reading,
        cuts_the_headers,
        cuts_the_body,
        never_answers,
        speaks_no_http,
    ],
)
def test_a_create_is_in_doubt_once_a_byte_may_have_left(handler, run) -> None:
    async def scenario() -> None:
        async with serving(handler) as wire, rig(wire.base_url) as amc:
            with pytest.raises(InDoubtError):
                await amc.create()

            assert wire.connections == 1
            assert len(wire.requests) <= 1

    run(scenario)


def test_a_create_nobody_reads_is_in_doubt_after_the_write_timeout(run) -> None:
    async def scenario() -> None:
        async with serving(never_reads) as wire, rig(wire.base_url) as amc:
            with pytest.raises(InDoubtError):
                await amc.create(sql="x" * 30_000_000)

    run(scenario)


def test_a_create_to_nobody_was_not_sent(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire:
            gone = wire.base_url
        async with rig(gone) as amc:
            with pytest.raises(AmcUnavailable):
                await amc.create()

    run(scenario)


def test_a_create_that_gets_no_connection_was_not_sent(run) -> None:
    async def scenario() -> None:
        quick_pool = Timeouts(pool=timedelta(milliseconds=50), connect=timedelta(milliseconds=50))
        async with (
            serving(never_answers) as wire,
            amc_client(quick_pool, max_connections=1) as http,
        ):
            await exhaust_pool(http, wire)

    run(scenario)


async def exhaust_pool(http: httpx.AsyncClient, wire: Wire) -> None:
    async with asyncio.TaskGroup() as group:
        first = group.create_task(http.get(wire.base_url))
        await wire.got_request.wait()
        with pytest.raises((httpx.PoolTimeout, httpx.ConnectTimeout)):
            await http.get(wire.base_url)
        first.cancel()
    assert len(wire.requests) == 1


def test_a_permit_that_expires_while_connecting_sends_nothing_and_keeps_the_connection(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            ticks = iter([0.0, 0.0, 1.0])
            permit = Permit(0.0, 0.05, clock=lambda: next(ticks))

            with pytest.raises(PermitExpired):
                await amc.create(permit=permit)
            assert wire.requests == []
            await amc.create()

            assert (wire.connections, len(wire.requests)) == (1, 1)

    run(scenario)


def test_who_was_held_up_by_connecting_books_another_turn_for_the_connection(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            ticks = itertools.chain([0.0, 0.0, 0.0], itertools.repeat(0.1))

            async def again() -> Permit:
                return Permit(0.1, 0.15)

            await amc.create(permit=Permit(0.0, 0.05, clock=lambda: next(ticks), again=again))

            assert (wire.connections, len(wire.requests)) == (1, 1)

    run(scenario)


def test_a_permit_that_expires_on_a_kept_connection_sends_nothing_and_keeps_it(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            await amc.create()
            ticks = iter([0.0, 0.0, 1.0])

            with pytest.raises(PermitExpired):
                await amc.create(permit=Permit(0.0, 0.05, clock=lambda: next(ticks)))
            await amc.create()

            assert (wire.connections, len(wire.requests)) == (1, 2)

    run(scenario)


def test_a_warm_up_connects_and_sends_nothing(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            await amc.client.warm_up(amc.target)
            await amc.client.warm_up(amc.target)
            assert wire.requests == []
            await amc.create()
            await amc.get()

            assert (wire.connections, len(wire.requests)) == (1, 2)
            assert len(amc.log.records) == 2

    run(scenario)


def test_a_warm_up_of_nobody_is_unavailable(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire:
            gone = wire.base_url
        async with rig(gone) as amc:
            with pytest.raises(AmcUnavailable):
                await amc.client.warm_up(amc.target)
            with pytest.raises(AmcUnavailable):
                await amc.get()

            assert amc.permits.taken == 0

    run(scenario)


@dataclass
class ClosesKeptConnections:
    """Answers the first request of a connection and closes on the second: the keep-alive race."""

    seen: list[bytes] = field(default_factory=list)

    async def __call__(self, wire: Wire, reader: Reader, writer: Writer) -> None:
        await wire.read_request(reader)
        writer.write(answer(EXECUTION_BODY))
        await writer.drain()
        self.seen.append(await reader.read(1))


@pytest.mark.parametrize("call", [Rig.get, Rig.cancel])
def test_no_call_is_repeated_without_a_permit_of_its_own(call, run) -> None:
    async def scenario() -> None:
        handler = ClosesKeptConnections()
        async with serving(handler) as wire, rig(wire.base_url) as amc:
            await call(amc)
            await call(amc)

            assert handler.seen[0] != b""
            assert wire.connections == 2
            assert amc.permits.taken == len(amc.log.records) == 3
            assert [record.error_code for record in amc.log.records] == [
                None,
                "amc_unavailable",
                None,
            ]

    run(scenario)


def test_a_create_on_a_connection_that_was_just_closed_is_in_doubt(run) -> None:
    async def scenario() -> None:
        handler = ClosesKeptConnections()
        async with serving(handler) as wire, rig(wire.base_url) as amc:
            await amc.create()

            with pytest.raises(InDoubtError):
                await amc.create()

            assert wire.connections == 1

    run(scenario)


def test_an_answer_that_drips_for_ever_ends_with_the_attempt(run) -> None:
    async def drips(wire: Wire, reader: Reader, writer: Writer) -> None:
        await wire.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def scenario() -> None:
        async with serving(drips) as wire, rig(wire.base_url, longest=0.1, attempts=1) as amc:
            with pytest.raises(AmcUnavailable):
                await amc.get()
            with pytest.raises(InDoubtError):
                await amc.create()

    run(scenario)


def test_a_cancelled_create_stays_cancelled_and_leaves_no_connection(run) -> None:
    async def scenario() -> None:
        async with serving(never_answers) as wire, rig(wire.base_url) as amc:
            creating = asyncio.ensure_future(amc.create())
            await wire.got_request.wait()
            creating.cancel()

            with pytest.raises(asyncio.CancelledError):
                await creating

            assert [record.error_code for record in amc.log.records] == ["interrupted"]

    run(scenario)


def test_redirects_and_proxies_are_not_followed(run, monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async def redirects(wire: Wire, reader: Reader, writer: Writer) -> None:
        while True:
            await wire.read_request(reader)
            writer.write(answer(b"", b"Location: /elsewhere", status=b"307 Temporary Redirect"))

    async def scenario() -> None:
        async with serving(redirects) as wire, rig(wire.base_url) as amc:
            with pytest.raises(InDoubtError):
                await amc.create()

            assert len(wire.requests) == 1

    run(scenario)


def test_a_connection_idle_for_too_long_is_not_used_again(run) -> None:
    async def scenario() -> None:
        async with (
            serving(answer_all) as wire,
            amc_client(QUICK, keepalive_expiry=timedelta(0)) as http,
        ):
            await http.get(wire.base_url)
            await http.get(wire.base_url)

            assert wire.connections == 2

    run(scenario)


def test_what_the_server_sees_is_what_was_meant(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            await amc.client.create_workflow(
                amc.target,
                TOKEN,
                amc_workflow_id=AmcWorkflowId("wf/1"),
                sql_query="SELECT 'ä'",
                give_up_at=later(),
            )
            await amc.client.get_execution(
                amc.target, TOKEN, AmcExecutionId("a/b%c"), give_up_at=later()
            )

            assert b"\r\nAuthorization: Bearer Atza|token\r\n" in wire.requests[0]
            body = b'{"workflowId": "wf/1", "sqlQuery": "SELECT \'\\u00e4\'"}'
            assert wire.requests[0].endswith(b"\r\n\r\n" + body)
            assert wire.requests[1].startswith(
                b"GET /amc/reporting/amc1/workflowExecutions/a%2Fb%25c HTTP/1.1\r\n"
            )

    run(scenario)


def test_a_cookie_is_not_sent_back(run) -> None:
    async def sets_one(wire: Wire, reader: Reader, writer: Writer) -> None:
        while True:
            await wire.read_request(reader)
            writer.write(answer(EXECUTION_BODY, b"Set-Cookie: seen=1; Path=/"))

    async def scenario() -> None:
        async with serving(sets_one) as wire, rig(wire.base_url) as amc:
            await amc.create()
            await amc.create()

            assert b"ookie" not in wire.requests[1]

    run(scenario)


def test_each_call_carries_the_token_and_the_account_it_was_given(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            other = replace(amc.target, entity_id=EntityId("ENTITYOTHER"))
            for target, token in (
                (amc.target, TOKEN),
                (other, TOKEN),
                (amc.target, AccessToken("Atza|newer")),
                (amc.target, AccessToken("Atza|newest")),
            ):
                await amc.client.get_execution(target, token, EXECUTION_ID, give_up_at=later())

            tokens = [line_of(request, b"Authorization") for request in wire.requests]
            assert tokens == [
                b"Bearer Atza|token",
                b"Bearer Atza|token",
                b"Bearer Atza|newer",
                b"Bearer Atza|newest",
            ]
            accounts = [
                line_of(request, b"Amazon-Advertising-API-AdvertiserId")
                for request in wire.requests
            ]
            mine = amc.target.entity_id.encode()
            assert accounts == [mine, b"ENTITYOTHER", mine, mine]

    run(scenario)


def line_of(request: bytes, name: bytes) -> bytes:
    return request.partition(b"\r\n" + name + b": ")[2].partition(b"\r\n")[0]


def test_a_closed_client_sends_nothing(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire:
            http = amc_client(QUICK)
            await http.get(wire.base_url)
            await http.aclose()

            with pytest.raises(RuntimeError, match="closed"):
                await http.get(wire.base_url)
            assert len(wire.requests) == 1

    run(scenario)
