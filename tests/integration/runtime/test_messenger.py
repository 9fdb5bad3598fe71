"""A service's consumer, timers and relay as they work together."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.db.outbox import Outbox
from shared.db.pool import Database
from shared.db.timers import DueTimer, Timers
from shared.domain.errors import AmcUnavailable, BrokerUnavailable, DatabaseUnavailable
from shared.messaging.envelope import command
from shared.messaging.messages import PollInstance
from shared.messaging.publisher import Publisher
from shared.messaging.routes import handles
from shared.runtime.postponer import KIND as REDELIVER
from shared.runtime.postponer import redelivery
from shared.runtime.relay import OutboxRelay
from shared.runtime.service import Messenger, WorkerSettings, run_until
from shared.runtime.timers import TimerLoop
from tests.integration.builders import timer_in, until
from tests.integration.messaging.wire import Wire
from tests.integration.runtime.conftest import Broker, running


@pytest.fixture
async def publisher(broker: Broker):
    async with Publisher(broker.url) as publisher:
        yield publisher


@pytest.fixture
def messenger(
    database: Database, database_url: str, broker: Broker, publisher: Publisher
) -> Messenger:
    settings = WorkerSettings(DATABASE_URL=database_url, AMQP_URL=broker.url)
    relay = OutboxRelay(Outbox(database), publisher, broker.topology)
    return Messenger(database, publisher, relay, Timers(database), broker.topology, settings)


async def test_what_a_handler_commits_leaves_as_soon_as_it_ends(
    messenger: Messenger, broker: Broker
) -> None:
    async def hand_on(_: PollInstance, /) -> None:
        await messenger.database.execute(
            "insert into outbox (message_type, body) values ('refresh_credential.v1', $1)",
            {"credential_id": str(uuid4())},
        )

    consumer = messenger.consumer([broker.topology.poll_instance], [handles(PollInstance, hand_on)])
    async with running(messenger.relay.run), running(consumer.run):
        await messenger.publisher.publish(command(PollInstance(instance_id=1), broker.topology))

        async with asyncio.timeout(2):
            await broker.arrived(broker.topology.refresh_credential.name, 1)


async def test_a_message_that_fails_in_passing_comes_back_by_a_timer_alone(
    messenger: Messenger, broker: Broker
) -> None:
    attempts: list[int] = []

    async def fail_once(message: PollInstance, /) -> None:
        attempts.append(message.instance_id)
        if len(attempts) == 1:
            raise AmcUnavailable("away", wait=timedelta(milliseconds=50))

    consumer = messenger.consumer(
        [broker.topology.poll_instance], [handles(PollInstance, fail_once)]
    )
    timers = TimerLoop(
        messenger.timers,
        messenger.relay.wake,
        in_place={REDELIVER: redelivery(messenger.publisher)},
    )
    async with running(timers.run), running(consumer.run):
        await messenger.publisher.publish(command(PollInstance(instance_id=5), broker.topology))

        async def handled_twice() -> bool:
            return len(attempts) == 2

        await until(handled_twice)

    assert attempts == [5, 5]
    assert await messenger.database.fetchval("select count(*) from timers") == 0


async def test_due_timers_become_commands_and_wake_the_relay(database: Database) -> None:
    woken = asyncio.Event()
    timers = Timers(database)
    await timers.arm("poll_instance", "1", wait=timedelta(0), command={"instance_id": 1})

    async with running(TimerLoop(timers, woken.set, commands=("poll_instance",)).run):
        async with asyncio.timeout(2):
            await woken.wait()

    assert await database.fetchval("select message_type from outbox") == "poll_instance.v1"
    wait = await timer_in(database, "poll_instance", "1")
    assert wait is not None
    assert 110 < wait <= 120


async def test_a_timer_done_in_place_is_disarmed_when_it_is_done(database: Database) -> None:
    done: list[DueTimer] = []
    timers = Timers(database)
    await timers.arm("admit_instance", "3", wait=timedelta(0), command={"instance_id": 3})

    async def admit(timer: DueTimer) -> None:
        done.append(timer)

    async with running(TimerLoop(timers, lambda: None, in_place={"admit_instance": admit}).run):

        async def disarmed() -> bool:
            return await timer_in(database, "admit_instance", "3") is None

        await until(disarmed)

    assert [(timer.key, timer.command) for timer in done] == [("3", {"instance_id": 3})]


async def test_a_broker_that_is_away_leaves_the_timer_armed_and_the_service_running(
    database: Database, messenger: Messenger, wire: Wire
) -> None:
    wire.pull_out()
    timers = Timers(database)
    await timers.arm("other", "2", wait=timedelta(milliseconds=50), command={})
    done = asyncio.Event()

    async def fail(_: DueTimer) -> None:
        raise BrokerUnavailable("away")

    async def succeed(_: DueTimer) -> None:
        done.set()

    await timers.arm(REDELIVER, "1", wait=timedelta(0), command={})
    loop = TimerLoop(timers, lambda: None, in_place={REDELIVER: fail, "other": succeed})
    async with running(loop.run), asyncio.timeout(2):
        await done.wait()

    assert await timer_in(database, REDELIVER, "1") is not None


@dataclass
class AbsentTimers:
    """A database that is away at the first look."""

    looks: int = 0

    async def due(self, _kinds: Sequence[str], **_: Any) -> list[str]:
        self.looks += 1
        if self.looks == 1:
            raise DatabaseUnavailable("away")
        return []


async def test_a_database_that_is_away_is_waited_for() -> None:
    timers = AbsentTimers()

    async with running(TimerLoop(timers, lambda: None, commands=("poll_instance",)).run):  # type: ignore[arg-type]

        async def looked_again() -> bool:
            return timers.looks > 1

        await until(looked_again)


async def test_the_last_jobs_end_after_the_first_ones() -> None:
    order: list[str] = []
    stop = asyncio.Event()

    def job(name: str):
        async def run(stopped: asyncio.Event) -> None:
            await stopped.wait()
            order.append(name)

        return run

    stop.set()
    await run_until(stop, first=[job("consumer"), job("timers")], last=[job("relay")])

    assert order[-1] == "relay"
    assert sorted(order) == ["consumer", "relay", "timers"]
