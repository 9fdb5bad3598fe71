"""What brings abandoned work back, and what ends work that nobody can do."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = [
    """
    create function fail_parked_v1(p_execution uuid, p_code text, p_message text, p_hint text)
    returns boolean language plpgsql as $$
    declare e record; w record;
    begin
      e := gate_of_v1(p_execution);
      select state into w from workflow_executions
       where id = p_execution and intent_at is null and state = 'submitting'
          or id = p_execution and state = 'downloading' for no key update;
      if not found then return false; end if;
      update workflow_executions
         set state = 'failed', finished_at = clock_timestamp(), lease_owner = null,
             lease_until = null, fence = fence + 1,
             error_code = p_code, error_message = p_message, error_hint = p_hint
       where id = p_execution;
      perform disarm_v1(array['submit_execution', 'download_result', 'expire_execution'],
                        p_execution::text);
      if w.state = 'submitting' then
        perform admit_v1(e.account_id, array[e.instance_id], 1);
      end if;
      return true;
    end $$
    """,
    """
    create function rescue_v1(p_limit int) returns table (what text, n int)
    language plpgsql as $$
    declare waiting int[];
    begin
      select array_agg(i.id) into waiting from amc_instances i
       where exists (select from workflow_executions q
                      where q.instance_id = i.id and q.state = 'queued');
      return query select 'admitted'::text, coalesce(admit_instances_v1(waiting), 0);

      return query with lost as (
        select id from workflow_executions
         where state in ('submitting', 'downloading') and intent_at is null
           and lease_until <= statement_timestamp()
         order by lease_until limit p_limit for no key update skip locked
      ), again as (
        update workflow_executions e
           set lease_owner = null, lease_until = clock_timestamp() + interval '30 s'
          from lost where e.id = lost.id
        returning e.id, e.state, e.request_id
      ), told as (
        insert into outbox (message_type, body, correlation_id)
        select case state when 'submitting' then 'submit_execution.v1'
                          else 'download_result.v1' end,
               jsonb_build_object('execution_id', id), request_id from again
        returning 1
      )
      select 'command_sent_again'::text, count(*)::int from told;

      return query with doubt as (
        select id, settle_at from workflow_executions
         where state = 'submitting' and intent_at is not null
           and settle_at <= statement_timestamp() - interval '10 s' limit p_limit
      ), armed as (
        insert into timers (kind, key, due_at, command)
        select 'reconcile_execution', id::text, settle_at, jsonb_build_object('execution_id', id)
          from doubt on conflict do nothing returning 1
      )
      select 'settle_timer_armed'::text, count(*)::int from armed;

      return query with armed as (
        insert into timers (kind, key, due_at, command)
        select 'poll_instance', i.id::text, clock_timestamp(),
               jsonb_build_object('instance_id', i.id)
          from amc_instances i
         where exists (select from workflow_executions b
                        where b.instance_id = i.id and b.state in ('pending', 'running'))
           and not exists (select from timers t
                            where t.kind = 'poll_instance' and t.key = i.id::text)
        on conflict do nothing returning 1
      )
      select 'poll_timer_armed'::text, count(*)::int from armed;

      return query with armed as (
        insert into timers (kind, key, due_at, command)
        select 'refresh_credential', c.id::text, clock_timestamp(),
               jsonb_build_object('credential_id', c.id)
          from credentials c
         where c.status <> 'broken'
           and not exists (select from timers t
                            where t.kind = 'refresh_credential' and t.key = c.id::text)
        on conflict do nothing returning 1
      )
      select 'refresh_timer_armed'::text, count(*)::int from armed;
    end $$
    """,
    (
        "comment on function rescue_v1 is 'Everything that a message or a timer should have moved "
        "and did not. A broker that lost its disk costs latency, not work.'"
    ),
]

DOWN = [
    "drop function rescue_v1",
    "drop function fail_parked_v1",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
