"""Beside a transaction that has been open for long (a load of results is one), looks stay short.

Nothing that was deleted or moved can be cleaned up until it ends. The pages a statement reads are
counted: unlike its time they are the same on a busy machine.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.db.outbox import Outbox
from shared.db.pool import Database, open_database
from shared.db.queries import load
from shared.db.timers import ALL, Timers

OUTBOX, TIMERS = load("outbox"), load("timers")
CHURN = 5_000
FEW, MANY = 30, 90
MINUTE = timedelta(minutes=1)


@asynccontextmanager
async def old_snapshot(database: Database, url: str) -> AsyncIterator[None]:
    """Somebody has read before all that follows, and is not done."""
    async with open_database(url, service="loader") as other, other.connection() as connection:
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        await connection.execute("set local idle_in_transaction_session_timeout = 0")
        await connection.fetchval("select count(*) from outbox")
        yield
        await transaction.rollback()


async def pages(database: Database, query: str, *arguments: Any) -> int:
    """How many pages the statement reads; it is rolled back."""
    async with database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        told = await connection.fetchval(
            f"explain (analyze, buffers, format json) {query}", *arguments
        )
        await transaction.rollback()
    plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def publish_many(database: Database, *, ago: str) -> None:
    """Messages that were written and deleted that long ago."""
    await database.execute(
        "insert into outbox (message_type, body, available_at) select 'poll_instance.v1', '{}',"
        f" clock_timestamp() - interval '{ago}' from generate_series(1, $1)",
        CHURN,
    )
    await database.execute("delete from outbox")


async def move_many_timers(database: Database, *, ago: str) -> None:
    """Timers that were due that long ago and have moved on."""
    await database.execute(
        "insert into timers (kind, key, due_at) select 'poll_instance', n::text,"
        f" clock_timestamp() - interval '{ago}' from generate_series(1, $1) n",
        CHURN,
    )
    await database.execute("update timers set due_at = clock_timestamp() + interval '1 hour'")


def claim(database: Database, back: timedelta) -> tuple[str, UUID, int, timedelta, timedelta]:
    return OUTBOX["claim_left_behind"], database.relay_id, 500, MINUTE, back


async def test_a_look_for_messages_left_behind_passes_over_what_was_sent(
    database: Database, database_url: str
) -> None:
    async with old_snapshot(database, database_url):
        await publish_many(database, ago="5 minutes")

        assert await pages(database, *claim(database, MINUTE)) < FEW
        assert await pages(database, *claim(database, ALL)) > MANY


async def test_a_look_for_fresh_messages_passes_over_what_was_sent(
    database: Database, database_url: str
) -> None:
    async with old_snapshot(database, database_url):
        await publish_many(database, ago="-5 seconds")
        newest = await database.fetchval("select last_value from outbox_id_seq")
        fresh = OUTBOX["fresh_batch"], database.relay_id, 500

        assert await pages(database, *fresh, newest - 100) < FEW
        assert await pages(database, *fresh, 0) > MANY


async def test_a_look_for_timers_passes_over_those_that_have_moved(
    database: Database, database_url: str
) -> None:
    async with old_snapshot(database, database_url):
        await move_many_timers(database, ago="5 minutes")
        fire = TIMERS["fire"], "poll_instance", 500, MINUTE, "poll_instance.v1"

        assert await pages(database, *fire, MINUTE) < FEW
        assert await pages(database, *fire, ALL) > MANY


async def test_what_has_waited_for_longer_than_a_minute_is_found_by_a_deep_look(
    database: Database,
) -> None:
    await database.execute(
        "insert into outbox (message_type, body, available_at)"
        " values ('poll_instance.v1', '{}', clock_timestamp() - interval '1 hour')"
    )
    await database.execute(
        "insert into timers (kind, key, due_at)"
        " values ('poll_instance', '1', clock_timestamp() - interval '1 hour')"
    )
    outbox, timers = Outbox(database), Timers(database)

    assert await outbox.claim_left_behind(limit=9, back=MINUTE) == []
    assert len(await outbox.claim_left_behind(limit=9)) == 1
    fire = {"message_type": "poll_instance.v1", "guard": MINUTE, "limit": 9}
    assert await timers.fire("poll_instance", **fire, back=MINUTE) == 0  # type: ignore[arg-type]
    assert await timers.fire("poll_instance", **fire) == 1  # type: ignore[arg-type]
