"""Downloads on real sockets: whole, packed, cut, expired, hostile."""

import asyncio
import gzip

import pytest
import uvloop

from shared.amc.gunzip import UnpackLimits
from shared.amc.link_policy import AllowedHosts, ResultLinkRefused, SimulatorOnly
from shared.amc.results import ResultStore
from shared.domain.errors import (
    AmcflowError,
    ResultGone,
    ResultMalformed,
    ResultTooLarge,
    ResultUnavailable,
)
from shared.http.client import result_client
from tests.integration.amc.rig import QUICK
from tests.integration.amc.wire import Reader, Wire, Writer, answer, serving

CSV = b"campaign,reach\n" + b"a,1\n" * 50_000
LINK = "/part-0.csv?X-Amz-Signature=ab%2Fcd%7E&X-Amz-Credential=k%2F20250601&b=%20+c"
EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
LIMITS = UnpackLimits(max_bytes=10_000_000, ratio_free_bytes=1_000_000)


def sends(raw: bytes):
    async def handler(wire: Wire, reader: Reader, writer: Writer) -> None:
        await wire.read_request(reader)
        writer.write(raw)
        await writer.drain()

    return handler


async def fetch(wire: Wire, link: str = LINK, limits: UnpackLimits = LIMITS) -> bytes:
    async with result_client(QUICK, public_addresses_only=False) as http:
        store = ResultStore(http, SimulatorOnly(wire.base_url), limits)
        async with store.open(wire.base_url + link) as part:
            return b"".join([chunk async for chunk in part.chunks])


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ONE_CHUNK = b"%x\r\n%b\r\n" % (len(CSV), CSV)


@pytest.mark.parametrize("loop", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "raw",
    [
        answer(CSV),
        CHUNKED + ONE_CHUNK + b"0\r\n\r\n",
        answer(gzip.compress(CSV), b"Content-Encoding: gzip"),
        answer(gzip.compress(CSV), b"Content-Type: application/gzip"),
        answer(gzip.compress(CSV[:99]) + gzip.compress(CSV[99:])),
    ],
    ids=["plain", "chunked", "gzip encoding", "gzip file", "two members"],
)
def test_a_result_arrives_whole_however_it_is_packed(raw: bytes, loop) -> None:
    async def scenario() -> None:
        async with serving(sends(raw)) as wire:
            assert await fetch(wire) == CSV

    loop(scenario())


async def test_an_empty_file_is_empty() -> None:
    async with serving(sends(answer(b""))) as wire:
        assert await fetch(wire) == b""


async def test_the_link_arrives_unchanged_and_nothing_of_ours_goes_along() -> None:
    async with serving(sends(answer(CSV))) as wire:
        await fetch(wire)

        first, *headers = wire.requests[0].split(b"\r\n\r\n")[0].split(b"\r\n")
        assert first == b"GET %b HTTP/1.1" % LINK.encode()
        names = {header.split(b":")[0].lower() for header in headers}
        assert names == {b"host", b"accept-encoding"}


BOMB = gzip.compress(bytes(9_000_000))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (answer(CSV)[:-1], ResultUnavailable),
        (answer(CSV)[:-1000], ResultUnavailable),
        (CHUNKED + ONE_CHUNK, ResultUnavailable),
        (CHUNKED + ONE_CHUNK[:-500], ResultUnavailable),
        (b"HTTP/1.1 200 OK\r\n\r\n" + CSV, ResultUnavailable),
        (b"", ResultUnavailable),
        (b"junk\r\n\r\n", ResultUnavailable),
        (answer(gzip.compress(CSV)[:-9]), ResultUnavailable),
        (answer(EXPIRED, status=b"403 Forbidden"), ResultUnavailable),
        (answer(b"<Error/>", status=b"403 Forbidden"), ResultUnavailable),
        (answer(b"", status=b"503 Slow Down"), ResultUnavailable),
        (answer(b"", b"Location: http://169.254.169.254/", status=b"302 Found"), ResultUnavailable),
        (answer(b"", status=b"404 Not Found"), ResultGone),
        (answer(BOMB, b"Content-Encoding: gzip"), ResultTooLarge),
        (answer(b"\x1f\x8bjunk and more of it"), ResultMalformed),
        (answer(CSV, b"Content-Encoding: gzip"), ResultMalformed),
        (answer(CSV, b"Content-Encoding: br"), ResultMalformed),
        (answer(b"x" * 10_000_001), ResultTooLarge),
    ],
)
async def test_what_is_not_a_whole_result_is_never_taken_for_one(
    raw: bytes, expected: type[AmcflowError]
) -> None:
    async with serving(sends(raw)) as wire:
        with pytest.raises(AmcflowError) as caught:
            await fetch(wire)

    assert type(caught.value) is expected
    assert "X-Amz" not in str(caught.value)


async def test_an_expired_link_says_so() -> None:
    async with serving(sends(answer(EXPIRED, status=b"403 Forbidden"))) as wire:
        with pytest.raises(ResultUnavailable, match="link expired"):
            await fetch(wire)


async def test_a_reader_who_stops_early_leaves_nothing_open() -> None:
    async with (
        serving(sends(answer(CSV))) as wire,
        result_client(QUICK, public_addresses_only=False) as http,
        ResultStore(http, SimulatorOnly(wire.base_url)).open(wire.base_url + LINK) as part,
    ):
        assert part.content_length == len(CSV)
        assert await anext(part.chunks)


async def test_a_link_elsewhere_is_refused_before_anything_is_sent() -> None:
    async with (
        serving(sends(answer(CSV))) as other,
        result_client(QUICK, public_addresses_only=False) as http,
    ):
        store = ResultStore(http, SimulatorOnly("http://127.0.0.1:1"))
        with pytest.raises(ResultLinkRefused):
            await store.open(other.base_url + LINK).__aenter__()

        assert other.connections == 0


async def test_a_name_that_leads_inside_is_not_connected_to(monkeypatch) -> None:
    async def inside(self, host, port=0, family=0):
        found = {"hostname": host, "host": "10.0.0.1", "port": port}
        return [found | {"family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", inside)
    async with result_client(QUICK, public_addresses_only=True) as http:
        store = ResultStore(http, AllowedHosts((".s3.us-east-1.amazonaws.com",)))
        with pytest.raises(ResultUnavailable, match="ConnectError"):
            await store.open("https://b.s3.us-east-1.amazonaws.com/x").__aenter__()
