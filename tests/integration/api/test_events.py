"""The event stream: over real sockets, across reconnects, and past ids that commit late."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from services.api.app import create_app
from services.api.hub import EventFilter, EventHub, Listener, Told
from services.api.server import HttpServer, listen
from shared.db.events import EventLog, EventTail
from shared.db.pool import Database
from tests.integration.api.conftest import Api, execution_uuid

INSERT = "insert into execution_events (execution_id, kind) values (gen_random_uuid(), $1)"


@dataclass(frozen=True)
class Event:
    """One event as a browser sees it."""

    id: str
    data: dict[str, str]


@dataclass(frozen=True)
class Stream:
    """A client of the served application."""

    client: httpx.AsyncClient

    @asynccontextmanager
    async def follow(self, last: str | None = None, **params: str) -> AsyncIterator[AsyncIterator]:
        headers = {} if last is None else {"Last-Event-ID": last}
        async with self.client.stream(
            "GET", "/api/v1/events", params=params, headers=headers
        ) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            yield read_events(response)


async def read_events(response: httpx.Response) -> AsyncIterator[Event]:
    members: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            members[name] = value
        elif "data" in members:
            yield Event(members["id"], json.loads(members["data"]))
            members = {}


@pytest.fixture
async def stream(api: Api) -> AsyncIterator[Stream]:
    """The application on a free port, with its tail running."""
    stop, hub = asyncio.Event(), api.state.events
    hub.poll_seconds = 0.01
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = HttpServer(create_app(api.state), listener, timedelta(seconds=5), hub.close)
    headers = {"Authorization": f"Bearer {api.token}"}
    async with asyncio.TaskGroup() as group:
        group.create_task(server.run(stop))
        group.create_task(hub.run(stop))
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers
        ) as client:
            yield Stream(client)
        stop.set()


async def take(events: AsyncIterator[Event], count: int) -> list[Event]:
    async with asyncio.timeout(10):
        return [await anext(events) for _ in range(count)]


async def test_a_listener_hears_every_move(api: Api, stream: Stream):
    async with stream.follow("0") as events:
        execution = await api.one()
        await api.put_in(execution, "submitting", "pending")
        heard = await take(events, 3)

    assert [event.data["status"] for event in heard] == ["queued", "submitting", "pending"]
    assert {event.data["execution_id"] for event in heard} == {execution}
    assert heard[0].data["instance_id"] == "amcone"


async def test_a_listener_that_comes_back_misses_nothing(api: Api, stream: Stream):
    execution = await api.one()
    async with stream.follow("0") as events:
        (first,) = await take(events, 1)
    await api.put_in(execution, "submitting", "pending", "running")

    heard: list[str] = []
    async with stream.follow(first.id) as events, asyncio.timeout(10):
        while "running" not in heard:
            heard.append((await anext(events)).data["status"])

    # What was heard before may come once more; nothing that was missed may not come.
    assert [status for status in heard if status != "queued"] == [
        "submitting",
        "pending",
        "running",
    ]


@pytest.mark.parametrize("by", ["execution_id", "workflow_id", "instance_id"])
async def test_a_filter_lets_only_its_own_through(api: Api, stream: Stream, by: str):
    await api.execution(await api.workflow(), await api.instance("amctwo"))
    wanted = await api.one()
    shown = (await api.get(f"/api/v1/executions/{wanted}")).json()
    value = {"execution_id": wanted}.get(by) or shown[by]

    async with stream.follow("0", **{by: value}) as events:
        (first,) = await take(events, 1)

    assert first.data["execution_id"] == wanted


async def test_without_a_last_id_only_what_is_new_is_heard(api: Api, stream: Stream):
    old = await api.one()
    async with stream.follow("0") as events:
        await take(events, 1)

    async with stream.follow() as events:
        await api.put_in(old, "cancelled")
        (heard,) = await take(events, 1)

    assert heard.data["status"] == "cancelled"


async def test_streams_end_when_the_process_stops(api: Api, stream: Stream):
    async with stream.follow("0") as events:
        api.state.events.close()
        async with asyncio.timeout(5):
            assert [event async for event in events] == []


@pytest.mark.parametrize("last", ["x", "-1", str(2**70)])
async def test_a_last_id_that_is_no_id_is_422(api: Api, stream: Stream, last: str):
    response = await stream.client.get("/api/v1/events", headers={"Last-Event-ID": last})

    assert response.status_code == 422


async def test_an_event_that_commits_late_still_comes_out(database: Database):
    tail = EventTail(EventLog(database), 0)
    async with database.connection() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute(INSERT, "late")
        await database.execute(INSERT, "early")

        early = await tail.look()
        resume_from = tail.safe_point
        await transaction.commit()
    late = await tail.look()

    assert [event.kind for event in early + late] == ["early", "late"]
    assert resume_from < late[0].id < early[0].id
    assert tail.safe_point == early[0].id
    assert await tail.look() == []


async def test_a_gap_that_stays_is_given_up_after_a_while(database: Database):
    now = [0.0]
    tail = EventTail(EventLog(database), 0, clock=lambda: now[0])
    await database.execute("select nextval('execution_events_id_seq')")
    await database.execute(INSERT, "only")
    await tail.look()
    assert tail.safe_point == 0

    now[0] = 15.0
    await tail.look()

    assert tail.safe_point == 2


async def test_many_events_are_read_in_pages_without_loss(database: Database):
    await database.execute(
        "insert into execution_events (execution_id, kind)"
        " select gen_random_uuid(), 'x' from generate_series(1, 1200)"
    )
    tail = EventTail(EventLog(database), 0)

    seen = [event.id for _ in range(3) for event in await tail.look(limit=500)]

    assert seen == list(range(1, 1201))


async def test_a_slow_listener_is_cut_off(api: Api):
    await api.one()
    (event,) = await api.state.events.event_log.since(0, limit=10)
    listener = Listener(EventFilter())

    told = 0
    while listener.tell(Told(event, event.id)):
        told += 1

    assert told == 2000
    drained = [listener.told.get_nowait() for _ in range(told + 1)]
    assert drained[-1] is None


async def test_a_hub_that_has_just_started_tells_nothing_old(api: Api):
    await api.one()
    hub, stop = EventHub(EventLog(api.database), poll_seconds=0.01), asyncio.Event()
    heard = []

    async def listen_once() -> None:
        async for told in hub.listen(EventFilter(), None):
            heard.append(told.event.kind)
            stop.set()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(listen_once())
        group.create_task(hub.run(stop))
        await started(hub)
        await api.database.execute(INSERT, "new")

    assert heard == ["new"]


async def test_a_replay_starts_again_from_where_its_reader_began_while_a_gap_is_open(
    api: Api, database: Database
):
    hub = EventHub(EventLog(database))
    execution = execution_uuid(await api.one())
    async with database.connection() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute(INSERT, "late")
        await api.put_in(str(execution), "submitting")

        listening = hub.listen(EventFilter(), 1)
        told = await anext(listening)
        await listening.aclose()
        await transaction.rollback()

    assert told.event.to_state == "submitting"
    assert told.resume_from == 1


async def started(hub: EventHub) -> None:
    """Until its tail knows where it is."""
    while hub._tail is None:  # noqa: ASYNC110 - one look at the database away
        await asyncio.sleep(0)
