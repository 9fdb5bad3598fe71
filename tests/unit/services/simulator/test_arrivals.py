"""When a request counts as arrived: as its first byte is read, however busy the simulator is."""

import asyncio
import time

import uvicorn
from uvicorn.server import ServerState

from services.simulator.protocol import CuttableProtocol, waited_seconds
from services.simulator.web.app import build_app
from tests.unit.services.simulator.conftest import START

PATH = "/amc/reporting/amcsimnwus1/workflows"


async def served(app, requests: int) -> list[dict]:
    """The answers' heads of so many requests, one after the other on one connection."""
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    state, loop = ServerState(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: CuttableProtocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    heads = []
    for _ in range(requests):
        writer.write(f"GET {PATH} HTTP/1.1\r\nhost: sim.test\r\ncontent-length: 0\r\n\r\n".encode())
        heads.append(await reader.readuntil(b"\r\n\r\n"))
    writer.close()
    server.close()
    return heads


async def test_the_server_tells_how_long_each_request_has_been_waiting():
    waited = []

    async def app(scope, receive, send):
        waited.append((waited_seconds(scope), time.monotonic()))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    before = time.monotonic()
    await served(app, 2)

    (first, first_at), (second, second_at) = waited
    assert 0 < first < first_at - before
    assert 0 < second < second_at - first_at


async def test_a_request_arrived_when_it_was_read_and_not_when_its_turn_came(simulator):
    gateway = build_app(simulator)
    held_up = 0.5

    async def late(scope, receive, send):
        scope["extensions"]["simulator.transport"]["read_at"] -= held_up
        await gateway(scope, receive, send)

    await served(late, 1)

    (entry,) = simulator.journal.after(0, 10)
    assert START - held_up - 5 < entry["arrived_at"] <= START - held_up


async def test_requests_read_in_time_are_let_in_although_their_turns_come_together(simulator):
    gateway = build_app(simulator)
    limit = simulator.rate_limit(simulator.world.instances["amcsimnwus1"])
    ages = [1.2 * (limit - number) / limit for number in range(limit + 1)]

    async def bunched(scope, receive, send):
        scope["extensions"]["simulator.transport"]["read_at"] = time.monotonic() - ages.pop(0)
        await gateway(scope, receive, send)

    await served(bunched, limit + 1)

    statuses = {entry["status"] for entry in simulator.journal.after(0, 100)}
    assert 429 not in statuses
