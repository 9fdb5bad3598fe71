"""A create that fails on the wire: which was not sent, and which nobody can know about."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from shared.domain.errors import AmcUnavailable, InDoubtError
from shared.http.client import Timeouts, amc_client
from tests.integration.amc.rig import rig
from tests.integration.amc.wire import (
    EXECUTION_BODY,
    ClosesKeptConnections,
    Reader,
    Wire,
    Writer,
    answer,
    answer_all,
    reset,
    serving,
)


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
