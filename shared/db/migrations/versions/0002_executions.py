"""Executions, their history, and the invariants that no code can get around."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = [
    """
    create table workflow_executions (
      id uuid primary key,
      no bigint generated always as identity unique,
      workflow_id uuid not null references workflows,
      amc_workflow_id text not null references workflow_definitions,
      instance_id int not null references amc_instances,
      account_id int not null references amc_accounts,
      state text not null default 'queued',
      priority smallint not null default 5 check (priority between 0 and 9),
      owner text not null check (owner <> ''),
      lane text not null,
      turn bigint not null,
      request_id text not null,
      tags jsonb not null default '{}',
      retry_of uuid,

      time_window_type text not null,
      time_window_start timestamp,
      time_window_end timestamp,
      time_zone text not null,
      parameters jsonb not null default '{}',
      output_format text not null default 'CSV' check (output_format in ('CSV', 'PARQUET')),
      deadline_seconds int not null check (deadline_seconds between 1 and 86400),
      queue_timeout_seconds int check (queue_timeout_seconds > 0),

      cancel_requested_at timestamptz,
      cancel_requested_by text,
      fence bigint not null default 0,
      lease_owner uuid,
      lease_until timestamptz,
      intent_at timestamptz,
      settle_at timestamptz,
      attempt int not null default 0,
      postponed_count int not null default 0,
      amc_timeout_seconds int,
      amc_execution_id text,
      amc_created_at timestamptz,
      amc_status text,
      amc_status_reason text,
      deadline_at timestamptz,
      deadline_passed_at timestamptz,
      asked_at timestamptz,
      missing_count smallint not null default 0,

      created_at timestamptz not null default clock_timestamp(),
      admitted_at timestamptz,
      submitted_at timestamptz,
      running_at timestamptz,
      remote_finished_at timestamptz,
      finished_at timestamptz,

      row_count bigint,
      size_bytes bigint,
      output_location text,
      output_columns jsonb,
      result_table text,
      error_code text,
      error_message text,
      error_hint text,

      constraint executions_state_known check (state in ('queued', 'submitting', 'pending',
        'running', 'downloading', 'completed', 'failed', 'cancelled')),
      constraint executions_finished_at_iff_final
        check ((state in ('completed', 'failed', 'cancelled')) = (finished_at is not null)),
      constraint executions_error_iff_failed check ((state = 'failed') = (error_code is not null)),
      constraint executions_at_amc_has_its_id
        check (state not in ('pending', 'running', 'downloading', 'completed')
               or amc_execution_id is not null),
      constraint executions_admitted_iff_past_queue
        check (state <> 'queued' or (admitted_at is null and intent_at is null)),
      constraint executions_completed_has_counts
        check (state <> 'completed' or (row_count is not null and size_bytes is not null)),
      constraint executions_window_whole
        check ((time_window_type = 'EXPLICIT') = (time_window_start is not null)
               and (time_window_start is null) = (time_window_end is null))
    ) with (fillfactor = 70)
    """,
    "comment on column workflow_executions.no is 'The key of its rows in schema results.'",
    (
        "comment on column workflow_executions.turn is 'Its place in line on its instance and "
        "priority, fair between lanes; computed once, at acceptance.'"
    ),
    (
        "comment on column workflow_executions.lane is 'Who shares one fair share: the owner, or one "
        "collection of the owner.'"
    ),
    (
        "comment on column workflow_executions.lease_until is 'Without an owner: when the rescuer "
        "sends the command again. With one: when another worker may take over.'"
    ),
    (
        "comment on column workflow_executions.intent_at is 'From here the create call may have "
        "reached AMC; cleared only by a definite answer or by reconciliation.'"
    ),
    (
        "comment on column workflow_executions.amc_timeout_seconds is 'Sent to AMC as the timeout; "
        "deadline plus a number of its own for each attempt, so that AMC echoes which attempt it was.'"
    ),
    # Unowned ids are bound under this: no two executions can share one at AMC.
    (
        "create unique index executions_amc_execution_id on workflow_executions "
        "(instance_id, amc_execution_id) where amc_execution_id is not null"
    ),
    # admit_from: the next ones of an instance.
    (
        "create index executions_queue on workflow_executions "
        "(instance_id, priority desc, turn, id) where state = 'queued'"
    ),
    # accept: the last turn of a lane.
    (
        "create index executions_lane on workflow_executions "
        "(instance_id, lane, priority, turn desc) where state = 'queued'"
    ),
    # admit: who holds slots.
    (
        "create index executions_busy on workflow_executions "
        "(account_id, instance_id) where state in ('submitting', 'pending', 'running')"
    ),
    # poll: what an instance has at AMC.
    (
        "create index executions_at_amc on workflow_executions "
        "(instance_id, submitted_at) where state in ('pending', 'running')"
    ),
    # rescue: whose worker or message is gone.
    (
        "create index executions_leased on workflow_executions (lease_until) "
        "where state in ('submitting', 'downloading') and intent_at is null"
    ),
    # rescue: in doubt, whatever became of the settle timer.
    (
        "create index executions_in_doubt on workflow_executions (settle_at) "
        "where state = 'submitting' and intent_at is not null"
    ),
    # daily quota.
    (
        "create index executions_admitted on workflow_executions (instance_id, admitted_at) "
        "where admitted_at is not null"
    ),
    # lists by filter, newest first; ids are ordered by time.
    "create index executions_by_state on workflow_executions (state, id)",
    "create index executions_by_instance on workflow_executions (instance_id, id)",
    "create index executions_by_workflow on workflow_executions (workflow_id, id)",
    """
    create table execution_events (
      id bigint generated always as identity primary key,
      execution_id uuid not null,
      at timestamptz not null default clock_timestamp(),
      kind text not null default 'state_changed',
      from_state text,
      to_state text,
      error_code text,
      detail text
    )
    """,
    "create index execution_events_of_execution on execution_events (execution_id, id)",
    """
    create table submission_attempts (
      execution_id uuid not null,
      attempt int not null,
      instance_id int not null,
      amc_workflow_id text not null,
      timeout_seconds int not null,
      intent_at timestamptz not null default clock_timestamp(),
      outcome text not null default 'intended' check (outcome in
        ('intended', 'bound', 'refused', 'throttled', 'not_sent', 'given_up')),
      primary key (execution_id, attempt)
    )
    """,
    (
        "create index submission_attempts_given_up on submission_attempts "
        "(instance_id, amc_workflow_id, timeout_seconds) where outcome = 'given_up'"
    ),
    """
    create table stray_executions (
      instance_id int not null,
      amc_execution_id text not null,
      execution_id uuid not null,
      attempt int not null,
      seen_at timestamptz not null default clock_timestamp(),
      cancelled_at timestamptz,
      primary key (instance_id, amc_execution_id)
    )
    """,
    (
        "comment on table stray_executions is 'Made at AMC by an attempt that was already given up; "
        "recognised by the timeout it carries, then cancelled.'"
    ),
    """
    create function guard_execution_v1() returns trigger language plpgsql as $$
    begin
      if old.state <> new.state and not (case old.state
           when 'queued' then new.state in ('submitting', 'cancelled', 'failed')
           when 'submitting' then new.state in ('pending', 'queued', 'failed', 'cancelled')
           when 'pending' then new.state in ('running', 'downloading', 'failed', 'cancelled')
           when 'running' then new.state in ('downloading', 'failed', 'cancelled')
           when 'downloading' then new.state in ('completed', 'failed')
           else false end) then
        raise exception 'execution % may not move from % to %', old.id, old.state, new.state
          using errcode = 'AM001';
      end if;
      if old.amc_execution_id is distinct from new.amc_execution_id
         and old.amc_execution_id is not null then
        raise exception 'execution % is bound to % and stays so', old.id, old.amc_execution_id
          using errcode = 'AM001';
      end if;
      if new.fence < old.fence then
        raise exception 'execution % has a newer claim', old.id using errcode = 'AM001';
      end if;
      return new;
    end $$
    """,
    (
        "create trigger executions_guard before update on workflow_executions "
        "for each row execute function guard_execution_v1()"
    ),
    """
    create function record_accepted_v1() returns trigger language plpgsql as $$
    begin
      insert into execution_events (execution_id, to_state) select id, state from born;
      return null;
    end $$
    """,
    """
    create function record_moved_v1() returns trigger language plpgsql as $$
    begin
      insert into execution_events (execution_id, from_state, to_state, error_code, detail)
      select n.id, o.state, n.state, n.error_code, n.error_message
        from after_row n join before_row o on o.id = n.id
       where n.state <> o.state;
      return null;
    end $$
    """,
    (
        "create trigger executions_record_accepted after insert on workflow_executions "
        "referencing new table as born for each statement execute function record_accepted_v1()"
    ),
    (
        "create trigger executions_record_moved after update on workflow_executions "
        "referencing old table as before_row new table as after_row "
        "for each statement execute function record_moved_v1()"
    ),
]

DOWN = [
    "drop table stray_executions",
    "drop table submission_attempts",
    "drop table execution_events",
    "drop table workflow_executions",
    "drop function record_moved_v1",
    "drop function record_accepted_v1",
    "drop function guard_execution_v1",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
