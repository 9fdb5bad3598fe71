"""Fills the database's book: at rest everything of a round, during it the slots in use.

It reads tables itself, not through the product's own queries, which are what is judged.
"""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from tests.chaos.books import (
    Attempt,
    DatabaseBook,
    DeadLetterRow,
    Event,
    KeyRow,
    Leftover,
    PartRow,
    Row,
    SentCall,
    SlotSample,
    StoredRows,
    StrayRow,
)

_EVERY_SECONDS = 0.05
_OURS = """
with ours as (
  select e.*, i.amc_instance_id, a.entity_id, 'ex_' || replace(e.id::text, '-', '') as execution
    from workflow_executions e
    join amc_instances i on i.id = e.instance_id
    join amc_accounts a on a.id = e.account_id
   where i.amc_instance_id = any($1::text[])
)
"""
_ROWS = """
select execution, amc_instance_id as instance, entity_id as account, state, amc_execution_id,
       attempt, extract(epoch from created_at)::float8 as created_at,
       extract(epoch from cancel_requested_at)::float8 as cancel_requested_at,
       extract(epoch from lease_until)::float8 as lease_until,
       extract(epoch from intent_at)::float8 as intent_at, row_count, error_code
  from ours
"""
_EVENTS = """
select v.id as seq, o.execution, extract(epoch from v.at)::float8 as at, v.kind, v.from_state,
       v.to_state
  from execution_events v join ours o on o.id = v.execution_id order by v.id
"""
_ATTEMPTS = """
select o.execution, s.attempt, s.outcome, extract(epoch from s.intent_at)::float8 as intent_at,
       s.amc_workflow_id, s.timeout_seconds
  from submission_attempts s join ours o on o.id = s.execution_id
"""
_STRAYS = """
select o.amc_instance_id as instance, s.amc_execution_id, o.execution,
       s.cancelled_at is not null as is_cancelled
  from stray_executions s join ours o on o.id = s.execution_id
"""
_PARTS = """
select o.execution, p.part, encode(p.sha256, 'hex') as sha256, p.size_bytes, p.row_count
  from result_parts p join ours o on o.id = p.execution_id
"""
# Only answers to requests for executions have items, and only those with items of ours count.
_KEYS = """
select key, array(select item ->> 'id' from jsonb_array_elements(response -> 'items') item)
         as executions
  from idempotency_keys
 where jsonb_typeof(response -> 'items') = 'array'
   and exists (select from jsonb_array_elements(response -> 'items') item
                join ours o on o.execution = item ->> 'id')
"""
_LIMITS = """
select i.amc_instance_id as instance, a.entity_id as account, i.max_requests_per_second as rate,
       i.max_concurrent_executions as instance_limit, a.max_concurrent_executions as account_limit
  from amc_instances i join amc_accounts a on a.id = i.account_id
 where i.amc_instance_id = any($1::text[])
"""
_CALLS = """
select i.amc_instance_id as instance, c.caller, c.call,
       extract(epoch from c.at)::float8 - c.duration_ms / 1000.0::float8 as at
  from amc_calls c join amc_instances i on i.id = c.instance_id
 where i.amc_instance_id = any($1::text[])
"""
_DEAD_LETTERS = """
select queue, message_id, message_type, reason from dead_letters
 where parked_at >= to_timestamp($1)
"""
# A timer or a message may speak of an execution only as long as it has not ended; other messages
# come and go, but none is older than the lease after which another relay takes it.
_LEFTOVERS = """
select 'timer' as what, t.kind || ' of ' || o.execution as which
  from timers t join ours o on o.id::text = t.key
 where o.state in ('completed', 'failed', 'cancelled')
union all
select 'outbox message', b.message_type || ' of ' || o.execution
  from outbox b join ours o on o.id::text = b.body ->> 'execution_id'
 where o.state in ('completed', 'failed', 'cancelled')
union all
select 'outbox message', message_type || ' ' || id
  from outbox where available_at < clock_timestamp() - interval '20 s'
"""
_COLUMNS = """
select o.execution, s.execution_no, s.table_name,
       array(select format('%I', c.column_name)
               from unnest(s.positions) with ordinality p (position, place)
               join result_columns c on c.version_id = s.version_id and c.position = p.position
              order by p.place) as names,
       array(select coalesce(nullif(c.data_type, ''), 'text')
               from unnest(s.positions) with ordinality p (position, place)
               join result_columns c on c.version_id = s.version_id and c.position = p.position
              order by p.place) as types
  from stored_results s join ours o on o.id = s.execution_id where s.dropped_at is null
"""
_SLOTS = """
with busy as (
  select account_id, instance_id, count(*) as n from workflow_executions
   where state in ('submitting', 'pending', 'running') group by 1, 2
), places as (
  select * from amc_instances where amc_instance_id = any($1::text[])
)
select extract(epoch from clock_timestamp())::float8 as at, i.amc_instance_id as scope,
       coalesce(b.n, 0) as used, i.max_concurrent_executions as limit
  from places i left join busy b on b.instance_id = i.id
union all
select extract(epoch from clock_timestamp())::float8, a.entity_id,
       coalesce((select sum(b.n) from busy b where b.account_id = a.id), 0)::int,
       a.max_concurrent_executions
  from amc_accounts a where a.id in (select account_id from places)
"""


def read_database(
    url: str, instances: Sequence[str], *, begun: float, samples: list[SlotSample]
) -> DatabaseBook:
    """Everything of these instances; dead letters since `begun`. For a system at rest."""
    return asyncio.run(_read(url, list(instances), begun, samples))


@contextmanager
def sampling(url: str, instances: Sequence[str]) -> Iterator[list[SlotSample]]:
    """Meanwhile snapshots are taken twenty times a second, whenever the database answers."""
    samples: list[SlotSample] = []
    stop = threading.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(_sample(url, list(instances), samples, stop)),
        name="slot sampler",
        daemon=True,
    )
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join(30)


async def _read(
    url: str, instances: list[str], begun: float, samples: list[SlotSample]
) -> DatabaseBook:
    connection = await asyncpg.connect(url, timeout=10)
    try:

        async def ours(query: str) -> list[dict[str, Any]]:
            return [dict(row) for row in await connection.fetch(_OURS + query, instances)]

        limits = await connection.fetch(_LIMITS, instances)
        calls = await connection.fetch(_CALLS, instances)
        letters = await connection.fetch(_DEAD_LETTERS, begun)
        return DatabaseBook(
            rows=[Row(**row) for row in await ours(_ROWS)],
            events=[Event(**row) for row in await ours(_EVENTS)],
            attempts=[Attempt(**row) for row in await ours(_ATTEMPTS)],
            strays=[StrayRow(**row) for row in await ours(_STRAYS)],
            keys=[KeyRow(row["key"], tuple(row["executions"])) for row in await ours(_KEYS)],
            parts=[PartRow(**row) for row in await ours(_PARTS)],
            stored=[await _stored(connection, row) for row in await ours(_COLUMNS)],
            dead_letters=[DeadLetterRow(**dict(row)) for row in letters],
            leftovers=[Leftover(**row) for row in await ours(_LEFTOVERS)],
            samples=samples,
            calls=[SentCall(**dict(row)) for row in calls],
            limits={
                **{row["instance"]: row["instance_limit"] for row in limits},
                **{row["account"]: row["account_limit"] for row in limits},
            },
            rates={row["instance"]: row["rate"] for row in limits},
            account_of={row["instance"]: row["account"] for row in limits},
        )
    finally:
        await connection.close()


async def _stored(connection: asyncpg.Connection, found: dict[str, Any]) -> StoredRows:
    selected = ", ".join(f"{name}::text" for name in found["names"])
    table = found["table_name"].replace('"', '""')
    rows = await connection.fetch(
        f'select {selected} from only results."{table}" where e = $1 order by n',
        found["execution_no"],
    )
    return StoredRows(
        found["execution"], tuple(found["types"]), tuple(tuple(row.values()) for row in rows)
    )


async def _sample(
    url: str, instances: list[str], samples: list[SlotSample], stop: threading.Event
) -> None:
    while not stop.is_set():
        try:
            connection = await asyncpg.connect(url, timeout=2, command_timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            stop.wait(_EVERY_SECONDS)
            continue
        try:
            while not stop.wait(_EVERY_SECONDS):
                rows = await connection.fetch(_SLOTS, instances)
                samples += [SlotSample(**dict(row)) for row in rows]
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()
        else:
            await connection.close()
