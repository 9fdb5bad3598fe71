"""From the outbox to RabbitMQ: after the commit, at least once, whoever dies on the way."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.db.dead_letters import DeadLetter, DeadLetters
from shared.db.outbox import Outbox, OutboxRow
from shared.db.pool import Connection, Database, open_database
from tests.integration.builders import until
from tests.integration.messaging.wire import Wire
from tests.integration.runtime.conftest import Broker, relay


async def write(connection: Connection | Database, *numbers: int, **headers: str) -> None:
    for number in numbers:
        await connection.execute(
            "insert into outbox (message_type, body, correlation_id, headers)"
            " values ('poll_instance.v1', $1, 'request-7', $2)",
            {"instance_id": number},
            headers,
        )


async def left(database: Database) -> int:
    rows: int = await database.fetchval("select count(*) from outbox")
    return rows


@dataclass
class Counting:
    """An outbox that counts how often this process's own rows were looked for."""

    outbox: Outbox
    looks: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.outbox, name)

    async def fresh(self, *, limit: int, above: int = 0) -> list[OutboxRow]:
        self.looks += 1
        return await self.outbox.fresh(limit=limit, above=above)


async def abandon(database: Database) -> None:
    """Whoever wrote these has been dead for longer than the lease."""
    await database.execute("update outbox set available_at = clock_timestamp()")


def claimed(database: Database) -> Callable[[], Awaitable[bool]]:
    """Somebody has tried to send all there is."""

    async def all_leased() -> bool:
        return bool(
            await database.fetchval("select bool_and(available_at > clock_timestamp()) from outbox")
        )

    return all_leased


async def test_a_message_leaves_right_after_its_commit(database: Database, broker: Broker) -> None:
    async with relay(database, broker.topology, broker.url) as at_work:
        async with database.transaction() as connection:
            await write(connection, 7)
            row = await connection.fetchrow("select message_id from outbox")
        at_work.wake()

        (message,) = await broker.arrived(broker.topology.poll_instance.name, 1)

        async def gone() -> bool:
            return await left(database) == 0

        await until(gone)
    assert row is not None
    assert message.message_id == str(row["message_id"])
    assert (message.type, message.correlation_id) == ("poll_instance.v1", "request-7")
    assert json.loads(message.body) == {"instance_id": 7}


async def test_many_who_wrote_nothing_share_a_look_and_a_message_among_them_leaves(
    database: Database, broker: Broker
) -> None:
    counting = Counting(Outbox(database))
    began = time.monotonic()
    async with relay(database, broker.topology, broker.url) as at_work:
        at_work.outbox = counting  # type: ignore[assignment]
        for number in range(300):
            if number == 200:
                await write(database, 7)
            at_work.wake()
            await database.fetchval("select true")
        await broker.arrived(broker.topology.poll_instance.name, 1)
    seconds = time.monotonic() - began

    # One at the start and one for each 50 ms; the one that finds the message asks at once for
    # another, the end cuts a wait short, and the relay looks once more before it leaves.
    assert counting.looks <= seconds / 0.05 + 4


async def test_a_message_whose_transaction_rolls_back_never_leaves(
    database: Database, broker: Broker
) -> None:
    async with relay(database, broker.topology, broker.url) as at_work:
        async with database.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await write(connection, 1)
            at_work.wake()
            await transaction.rollback()
        await write(database, 2)
        at_work.wake()

        (message,) = await broker.arrived(broker.topology.poll_instance.name, 1)

    assert json.loads(message.body) == {"instance_id": 2}


async def test_what_a_dead_process_left_behind_is_sent_by_another(
    database: Database, database_url: str, broker: Broker
) -> None:
    async with open_database(database_url, service="dead") as dead:
        await write(dead, 1, 2)

    async with relay(database, broker.topology, broker.url):
        assert await Outbox(database).claim_left_behind(limit=9) == []
        await abandon(database)

        messages = await broker.arrived(broker.topology.poll_instance.name, 2)

    assert sorted(json.loads(message.body)["instance_id"] for message in messages) == [1, 2]
    assert await left(database) == 0


async def test_two_relays_lose_nothing_between_them(
    database: Database, database_url: str, broker: Broker
) -> None:
    async with open_database(database_url, service="dead") as dead:
        await write(dead, *range(300))
    await abandon(database)
    missing = set(range(300))

    async def all_arrived() -> bool:
        # A broker that answers late gets some of them twice.
        (message,) = await broker.arrived(broker.topology.poll_instance.name, 1)
        missing.discard(json.loads(message.body)["instance_id"])
        return not missing

    async with (
        open_database(database_url, service="other") as other,
        relay(database, broker.topology, broker.url),
        relay(other, broker.topology, broker.url),
    ):
        await until(all_arrived, seconds=30, every=0.001)

    assert await left(database) == 0


async def test_two_relays_never_hold_one_message(database: Database, database_url: str) -> None:
    await write(database, *range(20))
    await abandon(database)

    async with open_database(database_url, service="other") as other:
        first = await Outbox(database).claim_left_behind(limit=15)
        second = await Outbox(other).claim_left_behind(limit=15)
        await Outbox(other).delete([row.id for row in first])

    assert (len(first), len(second)) == (15, 5)
    assert await left(database) == 20


async def test_with_the_broker_away_messages_stay_and_leave_when_it_is_back(
    database: Database, broker: Broker, wire: Wire
) -> None:
    wire.pull_out()
    async with relay(
        database, broker.topology, wire.url, lease=timedelta(milliseconds=300)
    ) as at_work:
        await write(database, 1, 2, 3)
        at_work.wake()
        await abandon(database)

        await until(claimed(database))
        assert await left(database) == 3
        await wire.plug_in()

        await broker.arrived(broker.topology.poll_instance.name, 3)


async def test_a_connection_that_breaks_loses_nothing(
    database: Database, broker: Broker, wire: Wire
) -> None:
    async with relay(
        database, broker.topology, wire.url, lease=timedelta(milliseconds=300)
    ) as at_work:
        for number in range(60):
            await write(database, number)
            at_work.wake()
            if number % 20 == 10:
                wire.cut()
        await abandon(database)

        async def gone() -> bool:
            return await left(database) == 0

        await until(gone)
    messages = await broker.arrived(broker.topology.poll_instance.name, 60)
    numbers = {json.loads(message.body)["instance_id"] for message in messages}
    while await broker.depth(broker.topology.poll_instance.name):
        (more,) = await broker.arrived(broker.topology.poll_instance.name, 1)
        numbers.add(json.loads(more.body)["instance_id"])
    assert numbers == set(range(60))


async def test_a_message_that_no_queue_takes_stays_and_holds_up_no_other(
    database: Database, broker: Broker
) -> None:
    await write(database, 1, **{"x-queue": "nowhere"})
    await write(database, 2)

    async with relay(database, broker.topology, broker.url) as at_work:
        at_work.wake()
        (message,) = await broker.arrived(broker.topology.poll_instance.name, 1)

        async def one_left() -> bool:
            return await left(database) == 1

        await until(one_left)

    assert json.loads(message.body) == {"instance_id": 2}
    assert await database.fetchval("select body from outbox") == {"instance_id": 1}


async def test_a_row_may_name_the_queue_it_goes_to(database: Database, broker: Broker) -> None:
    queue = broker.topology.refresh_credential.name
    await write(database, 1, **{"x-queue": queue, "x-owner": "anna", "x-reply-to": "answers"})

    async with relay(database, broker.topology, broker.url) as at_work:
        at_work.wake()
        (message,) = await broker.arrived(queue, 1)

    assert message.headers["x-owner"] == "anna"
    assert message.reply_to == "answers"
    assert "x-reply-to" not in message.headers
    assert "x-queue" not in message.headers


async def test_a_process_that_stops_gives_back_what_it_could_not_send(
    database: Database, broker: Broker, wire: Wire
) -> None:
    wire.pull_out()

    async with relay(database, broker.topology, wire.url):
        await write(database, 1)

    assert await left(database) == 1
    assert len(await Outbox(database).claim_left_behind(limit=9)) == 1


async def test_a_row_without_a_process_of_its_own_is_anybodys_after_its_lease(
    database: Database, broker: Broker
) -> None:
    async with database.connection() as connection:
        await connection.execute("set amcflow.relay = ''")
        await write(connection, 1)
        await connection.execute("reset amcflow.relay")
    await abandon(database)

    async with relay(database, broker.topology, broker.url):
        await broker.arrived(broker.topology.poll_instance.name, 1)


async def test_what_one_relay_could_not_send_another_sends_long_before_the_lease_ends(
    database: Database, database_url: str, broker: Broker, wire: Wire
) -> None:
    wire.pull_out()
    hour = timedelta(hours=1)
    async with (
        open_database(database_url, service="cut off") as cut_off,
        relay(cut_off, broker.topology, wire.url, lease=hour),
    ):
        await write(database, *range(3))
        await abandon(database)
        await until(claimed(database))

        async with relay(database, broker.topology, broker.url, lease=hour):
            await broker.arrived(broker.topology.poll_instance.name, 3)


async def test_a_parked_message_leaves_again_to_the_letter(
    database: Database, broker: Broker
) -> None:
    letters, queue = DeadLetters(database), broker.topology.poll_instance.name
    body = '{"n": 1e300, "digits": ' + "9" * 5000 + ', "text": "é\\u00e9", "n": 2}'
    headers = {"half": 0.5, "x-death": "stays", "n?": "v", "count": 3}
    await letters.record(
        DeadLetter(queue, "no uuid", "t" * 255, body, headers, "c" * 255, "bug", reply_to="r" * 255)
    )

    async with relay(database, broker.topology, broker.url) as at_work:
        await letters.redrive(1, by="anna", queues=[queue])
        at_work.wake()
        (message,) = await broker.arrived(queue, 1)

    assert message.body == body.encode()
    assert (message.type, message.correlation_id, message.reply_to) == (
        "t" * 255,
        "c" * 255,
        "r" * 255,
    )
    assert set(message.headers) - {"x-delivery-count"} == {"n?", "count", "amcflow-redrive"}
