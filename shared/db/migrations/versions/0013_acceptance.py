"""Acceptance of many requests in one call: each row says for itself who asked, and as what."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

UP = [
    """
    create function accept_executions_v2(p_rows jsonb) returns int language plpgsql as $$
    declare n int;
    begin
      with asked as (
        select r.*, o.ordinality
          from jsonb_array_elements(p_rows) with ordinality o(row, ordinality),
               jsonb_to_record(o.row) as r(id uuid, workflow_id uuid, amc_workflow_id text,
                 instance_id int, account_id int, priority smallint, lane text, tags jsonb,
                 retry_of uuid, time_window_type text, time_window_start timestamp,
                 time_window_end timestamp, time_zone text, parameters jsonb,
                 output_format text, deadline_seconds int, queue_timeout_seconds int,
                 owner text, request_id text)
      ), lanes as materialized (
        select l.*, greatest(
                 (select q.turn from workflow_executions q
                   where q.instance_id = l.instance_id and q.priority = l.priority
                     and q.state = 'queued' order by q.turn, q.id limit 1),
                 (select q.turn + 1 from workflow_executions q
                   where q.instance_id = l.instance_id and q.lane = l.lane
                     and q.priority = l.priority and q.state = 'queued'
                   order by q.turn desc limit 1),
                 0) as first_turn
          from (select distinct instance_id, lane, priority from asked) l
      ), born as (
        insert into workflow_executions (id, workflow_id, amc_workflow_id, instance_id, account_id,
          priority, owner, lane, turn, request_id, tags, retry_of, time_window_type,
          time_window_start, time_window_end, time_zone, parameters, output_format,
          deadline_seconds, queue_timeout_seconds)
        select a.id, a.workflow_id, a.amc_workflow_id, a.instance_id, a.account_id, a.priority,
               a.owner, a.lane,
               l.first_turn - 1 + row_number() over (
                 partition by a.instance_id, a.lane, a.priority order by a.ordinality),
               a.request_id, coalesce(a.tags, '{}'), a.retry_of, a.time_window_type,
               a.time_window_start, a.time_window_end, a.time_zone, coalesce(a.parameters, '{}'),
               a.output_format, a.deadline_seconds, a.queue_timeout_seconds
          from asked a
          join lanes l on l.instance_id = a.instance_id and l.lane = a.lane
                      and l.priority = a.priority
         order by a.ordinality
        returning id, queue_timeout_seconds, created_at
      ), timed as (
        insert into timers (kind, key, due_at, command)
        select 'expire_execution', id::text,
               created_at + make_interval(secs => queue_timeout_seconds),
               jsonb_build_object('execution_id', id)
          from born where queue_timeout_seconds is not null
      )
      select count(*) into n from born;
      return n;
    end $$
    """,
    (
        "comment on function accept_executions_v2 is 'Stores requests in line, in the order given. A "
        "turn is start-time fair queueing: one behind the lane''s last, never before the head of the "
        "line, so lanes take turns and nobody saves up a claim.'"
    ),
]

DOWN = ["drop function accept_executions_v2"]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
