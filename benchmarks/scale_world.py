"""A history of so many finished executions, and a line of 10,000 on one instance."""

import asyncpg

from benchmarks.world import World, make_world, queue_executions
from shared.db.pool import open_database

# Written in bulk, without the triggers that write history: it is written below. Ids are ordered by
# time, as ours are; what is told of each run is what the product stores.
_FINISHED = """
insert into workflow_executions (id, workflow_id, amc_workflow_id, instance_id, account_id, state,
  owner, lane, turn, request_id, tags, time_window_type, time_zone, deadline_seconds,
  fence, attempt, amc_timeout_seconds, amc_execution_id, amc_created_at, amc_status, deadline_at,
  created_at, admitted_at, submitted_at, running_at, remote_finished_at, finished_at,
  row_count, size_bytes, error_code, error_message, error_hint)
select (lpad(to_hex((extract(epoch from h.at) * 1000)::bigint), 12, '0')
          || '7' || substr(md5(h.n::text), 1, 3) || '8' || substr(md5(h.n::text), 4, 15))::uuid,
       $1, $2, i.id, i.account_id, case when h.n % 12 = 0 then 'failed' else 'completed' end,
       'bench', 'bench', h.n, 'bench', '{"team": "bench"}', 'MOST_RECENT_WEEK', 'UTC', 21600,
       3, 1, 21600 + h.n % 1000, 'amc-' || h.n, h.at, 'SUCCEEDED', h.at + interval '6 h',
       h.at, h.at, h.at, h.at, h.at + interval '15 min', h.at + interval '16 min',
       case when h.n % 12 <> 0 then 2000 end, case when h.n % 12 <> 0 then 200000 end,
       case when h.n % 12 = 0 then 'query_rejected' end, case when h.n % 12 = 0 then 'No.' end,
       case when h.n % 12 = 0 then 'Do.' end
  from (select n, clock_timestamp() - interval '90 days' * (1 - (n::float8 - 1) / $3) as at
          from generate_series(1, $3) n) h
  join amc_instances i on i.id = 1 + h.n % (select count(*) from amc_instances)
"""
_EVENTS = """
insert into execution_events (execution_id, at, from_state, to_state)
select e.id, e.created_at, s.a, s.b
  from workflow_executions e,
       (values (null, 'queued'), ('queued', 'submitting'), ('submitting', 'pending'),
               ('pending', 'running'), ('running', 'downloading'), ('downloading', 'completed'))
       as s(a, b)
"""
_ATTEMPTS = """
insert into submission_attempts (execution_id, attempt, instance_id, amc_workflow_id,
  timeout_seconds, intent_at, outcome)
select id, 1, instance_id, amc_workflow_id, amc_timeout_seconds, submitted_at, 'bound'
  from workflow_executions
"""


async def make_history(
    database_url: str, *, access_token_key: str, instances: int, finished: int, in_line: int
) -> World:
    """The line is the first instance's; it has no slot yet."""
    async with open_database(database_url, service="bench") as database:
        world = await make_world(
            database,
            access_token_key=access_token_key,
            instances=instances,
            executions_at_once=1,
        )
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(_FINISHED, world.workflow, world.amc_workflow, finished)
            await connection.execute(_EVENTS)
            await connection.execute(_ATTEMPTS)
        await connection.execute("update amc_accounts set max_concurrent_executions = 100000")
    finally:
        await connection.close()
    first = World([world.instances[0]], world.workflow, world.amc_workflow)
    async with open_database(database_url, service="bench") as database:
        await queue_executions(database, first, in_line)
        await database.execute("delete from outbox")
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")
    finally:
        await connection.close()
    return first
