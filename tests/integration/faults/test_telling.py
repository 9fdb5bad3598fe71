"""A teller that ends between publishing and remembering: some events come twice, none is missed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from services.scheduler.teller import Teller
from shared.db.events import EventLog, EventTail
from shared.db.pool import Database, open_database
from shared.db.telling import Telling
from shared.domain.errors import DatabaseUnavailable
from shared.messaging.envelope import OutgoingMessage
from shared.messaging.publisher import Receipt
from shared.messaging.topology import Topology
from tests.integration.faults.conftest import Town
from tests.integration.workers.bench import Flaky


@dataclass
class Heard:
    """What listeners hear of a broker that takes everything."""

    ids: list[UUID] = field(default_factory=list)

    async def publish_many(self, messages: Sequence[OutgoingMessage]) -> list[Receipt]:
        self.ids += [message.message_id for message in messages]
        return [Receipt(message.message_id) for message in messages]


async def tell(database: Database, heard: Heard, positions: object) -> None:
    """One teller from its start to its end."""
    tail = EventTail(EventLog(database), await Telling(database).position())
    await Teller(tail, positions, heard, Topology())._tell()  # type: ignore[arg-type]


async def expire_turn(database: Database) -> None:
    """Whoever holds it has been silent for long enough."""
    await database.execute("update event_positions set held_until = clock_timestamp()")


async def test_a_teller_that_dies_before_it_remembers_tells_again_and_misses_nothing(
    town: Town,
) -> None:
    database, first, second = town.bench.database, Heard(), Heard()
    for _ in range(3):
        await town.bench.submit(await town.bench.execution())
    dying = Flaky(Telling(database), "remember", DatabaseUnavailable("away"))

    with pytest.raises(DatabaseUnavailable):
        await tell(database, first, dying)
    await town.bench.submit(await town.bench.execution())
    await tell(database, second, Telling(database))

    assert len(set(first.ids)) >= 3
    assert set(first.ids) < set(second.ids)


async def test_two_replicas_tell_everything_and_nothing_twice(
    town: Town, database_url: str
) -> None:
    database, heard = town.bench.database, Heard()
    async with open_database(database_url, service="another") as another:
        replicas = [
            Teller(EventTail(EventLog(each), 0), Telling(each), heard, Topology())  # type: ignore[arg-type]
            for each in (database, another)
        ]
        for number in range(6):
            await town.bench.submit(await town.bench.execution())
            if number == 3:
                await expire_turn(database)
            for replica in replicas if number < 3 else reversed(replicas):
                await replica._tell()

    alone = Heard()
    await database.execute("delete from event_positions")
    await tell(database, alone, Telling(database))
    assert sorted(heard.ids) == sorted(alone.ids)


async def test_a_teller_that_died_is_followed_by_another_that_misses_nothing(
    town: Town, database_url: str
) -> None:
    database, lost, heard = town.bench.database, Heard(), Heard()
    await town.bench.submit(await town.bench.execution())
    async with open_database(database_url, service="dead") as dead:
        dying = Flaky(Telling(dead), "remember", DatabaseUnavailable("away"))
        with pytest.raises(DatabaseUnavailable):
            await tell(dead, lost, dying)

    await tell(database, heard, Telling(database))
    assert heard.ids == []
    await expire_turn(database)
    await tell(database, heard, Telling(database))

    assert heard.ids == lost.ids
