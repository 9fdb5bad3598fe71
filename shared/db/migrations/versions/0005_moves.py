"""The moves of an execution that take or free a slot, or must be one call for another reason.

Each one locks the account's gate first, compares and sets, writes the commands that follow from
it to the outbox, and hands freed slots on, all in one round trip.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UP = [
    """
    create function arm_timer_v1(p_kind text, p_key text, p_wait interval, p_command jsonb)
    returns void language sql as $$
      insert into timers (kind, key, due_at, command)
      values (p_kind, p_key, clock_timestamp() + p_wait, p_command)
      on conflict (kind, key) do update
        set due_at = least(timers.due_at - interval '1 microsecond', excluded.due_at),
            command = excluded.command
    $$
    """,
    (
        "comment on function arm_timer_v1 is 'The earlier time wins. It always changes due_at, "
        "so that who disarms only the value he has seen never takes this arm away.'"
    ),
    """
    create function disarm_v1(p_kinds text[], p_key text) returns void language sql as $$
      delete from timers where kind = any(p_kinds) and key = p_key
    $$
    """,
    """
    create function note_v1(p_execution uuid, p_kind text, p_detail text) returns void
    language sql as $$
      insert into execution_events (execution_id, kind, detail)
      values (p_execution, p_kind, p_detail)
    $$
    """,
    """
    create function gate_of_v1(p_execution uuid) returns record language plpgsql as $$
    declare e record;
    begin
      select account_id, instance_id into e from workflow_executions where id = p_execution;
      if found then perform lock_gates_v1(array[e.account_id]); end if;
      return e;
    end $$
    """,
    """
    create function end_submission_v1(p_execution uuid, p_fence bigint, p_state text,
      p_outcome text, p_code text, p_message text, p_hint text) returns boolean
    language plpgsql as $$
    declare e record;
    begin
      e := gate_of_v1(p_execution);
      update workflow_executions
         set state = p_state, finished_at = clock_timestamp(), lease_owner = null,
             lease_until = null, intent_at = null, settle_at = null,
             error_code = p_code, error_message = p_message, error_hint = p_hint
       where id = p_execution and state = 'submitting' and fence = p_fence;
      if not found then return false; end if;
      update submission_attempts set outcome = p_outcome
       where execution_id = p_execution and outcome = 'intended';
      perform disarm_v1(array['submit_execution', 'reconcile_execution', 'expire_execution'],
                        p_execution::text);
      perform admit_v1(e.account_id, array[e.instance_id], 1);
      return true;
    end $$
    """,
    """
    create function requeue_submission_v1(p_execution uuid, p_fence bigint, p_outcome text,
      p_pause interval, p_reason text) returns boolean language plpgsql as $$
    declare e record;
    begin
      e := gate_of_v1(p_execution);
      update workflow_executions
         set state = 'queued', admitted_at = null, lease_owner = null, lease_until = null,
             intent_at = null, settle_at = null
       where id = p_execution and state = 'submitting' and fence = p_fence;
      if not found then return false; end if;
      update submission_attempts set outcome = p_outcome
       where execution_id = p_execution and outcome = 'intended';
      perform disarm_v1(array['submit_execution', 'reconcile_execution'], p_execution::text);
      perform note_v1(p_execution, 'requeued', p_reason);
      insert into timers (kind, key, due_at, command)
      select 'expire_execution', id::text,
             created_at + make_interval(secs => queue_timeout_seconds),
             jsonb_build_object('execution_id', id)
        from workflow_executions
       where id = p_execution and queue_timeout_seconds is not null
      on conflict (kind, key) do nothing;
      if p_pause is not null then
        update instance_gates set admit_after = greatest(admit_after, clock_timestamp() + p_pause)
         where instance_id = e.instance_id;
        perform arm_timer_v1('admit_instance', e.instance_id::text, p_pause,
                             jsonb_build_object('instance_id', e.instance_id));
      end if;
      perform admit_v1(e.account_id, array[e.instance_id], 1);
      return true;
    end $$
    """,
    """
    create function bind_execution_v1(p_execution uuid, p_fence bigint, p_amc_execution_id text,
      p_amc_status text, p_created_at timestamptz, p_first_look interval) returns boolean
    language plpgsql as $$
    declare e record;
    begin
      update workflow_executions
         set state = 'pending', amc_execution_id = p_amc_execution_id, amc_status = p_amc_status,
             amc_created_at = p_created_at, submitted_at = clock_timestamp(), lease_owner = null,
             lease_until = null, intent_at = null, settle_at = null,
             deadline_at = p_created_at + make_interval(secs => deadline_seconds)
       where id = p_execution and state = 'submitting' and fence = p_fence
      returning instance_id, amc_workflow_id, request_id, cancel_requested_at into e;
      if not found then return false; end if;
      update submission_attempts set outcome = 'bound'
       where execution_id = p_execution and outcome = 'intended';
      perform disarm_v1(array['submit_execution', 'reconcile_execution', 'expire_execution'],
                        p_execution::text);
      perform arm_timer_v1('poll_instance', e.instance_id::text, p_first_look,
                           jsonb_build_object('instance_id', e.instance_id));
      update amc_workflows set last_used_at = clock_timestamp()
       where instance_id = e.instance_id and amc_workflow_id = e.amc_workflow_id
         and last_used_at < clock_timestamp() - interval '1 hour';
      if e.cancel_requested_at is not null then
        insert into outbox (message_type, body, correlation_id)
        values ('cancel_execution.v1', jsonb_build_object('execution_id', p_execution),
                e.request_id);
      end if;
      return true;
    end $$
    """,
    (
        "comment on function bind_execution_v1 is 'It runs at AMC. The slot stays taken, so no "
        "gate is needed. A second owner of the AMC id fails on the unique index.'"
    ),
    """
    create function give_up_attempt_v1(p_execution uuid, p_fence bigint) returns text
    language plpgsql as $$
    declare e record; w record;
    begin
      e := gate_of_v1(p_execution);
      select cancel_requested_at, request_id, deadline_seconds into w from workflow_executions
       where id = p_execution and state = 'submitting' and fence = p_fence
         and intent_at is not null for no key update;
      if not found then return 'stale'; end if;
      update submission_attempts set outcome = 'given_up'
       where execution_id = p_execution and outcome = 'intended';
      perform disarm_v1(array['submit_execution', 'reconcile_execution'], p_execution::text);
      if w.cancel_requested_at is not null then
        update workflow_executions
           set state = 'cancelled', finished_at = clock_timestamp(), lease_owner = null,
               lease_until = null, intent_at = null, settle_at = null
         where id = p_execution;
        perform admit_v1(e.account_id, array[e.instance_id], 1);
        return 'cancelled';
      end if;
      update workflow_executions
         set lease_owner = null, lease_until = clock_timestamp() + interval '30 s',
             intent_at = null, settle_at = null
       where id = p_execution;
      perform note_v1(p_execution, 'attempt_given_up', 'AMC lists no execution for this attempt');
      perform arm_timer_v1('poll_instance', e.instance_id::text, interval '2 s',
                           jsonb_build_object('instance_id', e.instance_id));
      insert into outbox (message_type, body, correlation_id)
      values ('submit_execution.v1', jsonb_build_object('execution_id', p_execution), w.request_id);
      return 'resubmitted';
    end $$
    """,
    """
    create function observe_executions_v1(p_instance int, p_seen jsonb) returns int
    language plpgsql as $$
    declare a int; freed int;
    begin
      select account_id into a from amc_instances where id = p_instance;
      perform lock_gates_v1(array[a]);
      with seen as (
        select * from jsonb_to_recordset(p_seen) as s(execution_id uuid, state text,
          amc_status text, amc_status_reason text, output_location text, output_columns jsonb,
          error_code text, error_message text, error_hint text)
      ), judged as (
        select s.*, e.id,
               case when s.state = 'cancelled' and e.cancel_requested_at is null then 'failed'
                    when s.state = 'pending' then e.state
                    else s.state end as next_state,
               case when s.state <> 'cancelled' then s.error_code
                    when e.cancel_requested_at is not null then null
                    when e.deadline_passed_at is not null then 'deadline_exceeded'
                    else 'cancelled_elsewhere' end as code
          from seen s join workflow_executions e on e.id = s.execution_id
         where e.instance_id = p_instance and e.state in ('pending', 'running')
         order by e.id for no key update of e
      ), moved as (
        update workflow_executions e
           set state = j.next_state, amc_status = j.amc_status,
               amc_status_reason = j.amc_status_reason, asked_at = clock_timestamp(),
               missing_count = 0,
               postponed_count = case when j.next_state = 'downloading' then 0
                                      else e.postponed_count end,
               output_location = coalesce(j.output_location, e.output_location),
               output_columns = coalesce(j.output_columns, e.output_columns),
               running_at = coalesce(e.running_at, case when j.next_state <> 'pending'
                                                   then clock_timestamp() end),
               remote_finished_at = case when j.next_state in
                 ('downloading', 'failed', 'cancelled') then clock_timestamp() end,
               finished_at = case when j.next_state in ('failed', 'cancelled')
                                  then clock_timestamp() end,
               lease_owner = null,
               lease_until = case when j.next_state = 'downloading'
                                  then clock_timestamp() + interval '30 s' end,
               error_code = case when j.next_state = 'failed' then j.code end,
               error_message = case when j.next_state <> 'failed' then null
                 when j.code = 'deadline_exceeded' then 'AMC did not finish within '
                      || e.deadline_seconds || ' s, so the execution was cancelled there.'
                 when j.code = 'cancelled_elsewhere'
                      then 'The execution was cancelled at AMC, outside amcflow.'
                 else j.error_message end,
               error_hint = case when j.next_state <> 'failed' then null
                 when j.code = 'deadline_exceeded' then 'Retry with a larger deadline_seconds, '
                      || 'or make the query''s time window smaller.'
                 when j.code = 'cancelled_elsewhere' then 'Ask who uses this instance in the AMC '
                      || 'console; retry if it was a mistake.'
                 else j.error_hint end
          from judged j where e.id = j.id
        returning e.id, e.state, e.request_id
      ), told as (
        insert into outbox (message_type, body, correlation_id)
        select 'download_result.v1', jsonb_build_object('execution_id', id), request_id
          from moved where state = 'downloading'
      )
      select count(*) into freed from moved
       where state in ('downloading', 'failed', 'cancelled');
      if freed > 0 then perform admit_v1(a, array[p_instance], freed); end if;
      return freed;
    end $$
    """,
    (
        "comment on function observe_executions_v1 is 'What AMC says about executions of one "
        "instance, applied at once. Nothing moves backwards; whose cancellation it was is decided "
        "here, where cancel_requested_at is locked. Returns the slots that were freed.'"
    ),
    """
    create function request_cancel_v1(p_execution uuid, p_by text) returns text
    language plpgsql as $$
    declare e record; w record;
    begin
      e := gate_of_v1(p_execution);
      select * into w from workflow_executions where id = p_execution for no key update;
      if not found then return null; end if;
      if w.state in ('downloading', 'completed', 'failed', 'cancelled') then return w.state; end if;
      if w.state = 'queued' or (w.state = 'submitting' and w.lease_owner is null
                                and w.intent_at is null) then
        update workflow_executions
           set state = 'cancelled', finished_at = clock_timestamp(), lease_until = null,
               cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
               cancel_requested_by = coalesce(cancel_requested_by, p_by)
         where id = p_execution;
        perform disarm_v1(array['submit_execution', 'expire_execution'], p_execution::text);
        if w.state = 'submitting' then
          perform admit_v1(w.account_id, array[w.instance_id], 1);
        end if;
        return 'cancelled';
      end if;
      if w.cancel_requested_at is null then
        update workflow_executions
           set cancel_requested_at = clock_timestamp(), cancel_requested_by = p_by
         where id = p_execution;
        perform note_v1(p_execution, 'cancel_requested', p_by);
        if w.state in ('pending', 'running') then
          insert into outbox (message_type, body, correlation_id)
          values ('cancel_execution.v1', jsonb_build_object('execution_id', p_execution),
                  w.request_id);
        end if;
      end if;
      return w.state;
    end $$
    """,
    """
    create function expire_queued_v1(p_execution uuid) returns boolean language plpgsql as $$
    declare was_queued boolean;
    begin
      perform gate_of_v1(p_execution);
      update workflow_executions
         set state = 'failed', finished_at = clock_timestamp(), error_code = 'queue_timeout',
             error_message = 'It waited longer than its queue_timeout_seconds of '
                             || queue_timeout_seconds || ' s.',
             error_hint = 'Raise queue_timeout_seconds or the limits, or ask for less at once.'
       where id = p_execution and state = 'queued';
      was_queued := found;
      perform disarm_v1(array['expire_execution'], p_execution::text);
      return was_queued;
    end $$
    """,
]

DOWN = [
    "drop function expire_queued_v1",
    "drop function request_cancel_v1",
    "drop function observe_executions_v1",
    "drop function give_up_attempt_v1",
    "drop function bind_execution_v1",
    "drop function requeue_submission_v1",
    "drop function end_submission_v1",
    "drop function gate_of_v1",
    "drop function note_v1",
    "drop function disarm_v1",
    "drop function arm_timer_v1",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
