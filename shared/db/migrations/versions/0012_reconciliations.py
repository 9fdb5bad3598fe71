"""Comparing what AMC has with what our rows know, and what a person decided about the rest."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UP = [
    """
    create table reconciliations (
      id uuid primary key,
      instance_id int not null references amc_instances,
      since timestamptz not null,
      requested_by text not null,
      requested_at timestamptz not null default clock_timestamp(),
      status text not null default 'waiting'
        check (status in ('waiting', 'running', 'done', 'failed')),
      fence bigint not null default 0,
      lease_until timestamptz not null default '-infinity',
      is_complete boolean,
      listed_count int,
      error_code text,
      error_message text,
      finished_at timestamptz,
      constraint reconciliations_finished_at_iff_ended
        check ((status in ('done', 'failed')) = (finished_at is not null))
    )
    """,
    "create index reconciliations_of_instance on reconciliations (instance_id, id)",
    (
        "comment on column reconciliations.error_code is 'Of a failed one: why. Of another: what its "
        "last try ran into; a timer brings it back.'"
    ),
    (
        "comment on column reconciliations.is_complete is 'False: AMC listed more than one run "
        "reads; ask again for a shorter time.'"
    ),
    """
    create table reconciliation_findings (
      id bigint generated always as identity unique,
      reconciliation_id uuid not null references reconciliations on delete cascade,
      amc_execution_id text not null,
      amc_workflow_id text not null,
      amc_status text not null,
      created_at timestamptz,
      timeout_seconds int,
      time_window_start timestamptz,
      time_window_end timestamptz,
      parameters jsonb not null,
      kind text not null check (kind in ('in_doubt', 'stray', 'foreign')),
      execution_id uuid,
      attempt int,
      decision text check (decision in ('adopted', 'settling', 'cancelling')),
      decided_by text,
      decided_at timestamptz,
      adopted_as uuid,
      primary key (reconciliation_id, amc_execution_id)
    )
    """,
    (
        "comment on column reconciliation_findings.kind is 'in_doubt: an open create of ours may "
        "have made it. stray: it carries the mark of an attempt of ours that does not own it. "
        "foreign: nothing says that it is ours.'"
    ),
    """
    create function finish_reconciliation_v1(p_id uuid, p_fence bigint, p_listed jsonb,
      p_is_complete boolean) returns boolean language plpgsql as $$
    declare i int;
    begin
      update reconciliations
         set status = 'done', finished_at = clock_timestamp(), is_complete = p_is_complete,
             listed_count = jsonb_array_length(p_listed), error_code = null, error_message = null
       where id = p_id and fence = p_fence and status = 'running' returning instance_id into i;
      if not found then return false; end if;
      with listed as (
        select distinct on (r.amc_execution_id) r.*
          from jsonb_to_recordset(p_listed) as r(amc_execution_id text, amc_workflow_id text,
               amc_status text, created_at timestamptz, timeout_seconds int,
               time_window_start timestamptz, time_window_end timestamptz, parameters jsonb)
      ), unowned as materialized (
        select l.* from listed l
         where not exists (select from workflow_executions e
                            where e.instance_id = i and e.amc_execution_id = l.amc_execution_id)
      ), attempts as materialized (
        select * from submission_attempts
         where instance_id = i and amc_workflow_id in (select amc_workflow_id from unowned)
      )
      insert into reconciliation_findings (reconciliation_id, amc_execution_id, amc_workflow_id,
        amc_status, created_at, timeout_seconds, time_window_start, time_window_end, parameters,
        kind, execution_id, attempt)
      select p_id, l.amc_execution_id, l.amc_workflow_id, l.amc_status, l.created_at,
             l.timeout_seconds, l.time_window_start, l.time_window_end, l.parameters,
             case when s.execution_id is not null then 'stray' when a.outcome is null then 'foreign'
                  when a.outcome = 'intended' then 'in_doubt' else 'stray' end,
             coalesce(s.execution_id, a.execution_id), coalesce(s.attempt, a.attempt)
        from unowned l
        left join stray_executions s
          on s.instance_id = i and s.amc_execution_id = l.amc_execution_id
        left join lateral (
          select t.execution_id, t.attempt, t.outcome from attempts t
           where t.amc_workflow_id = l.amc_workflow_id
             and (t.timeout_seconds = l.timeout_seconds
                  or t.outcome = 'intended' and l.timeout_seconds is null)
           order by t.outcome = 'intended' desc, t.outcome = 'given_up' desc, t.intent_at desc
           limit 1) a on true
       order by l.created_at;
      perform disarm_v1(array['reconcile_instance'], p_id::text);
      return true;
    end $$
    """,
    (
        "comment on function finish_reconciliation_v1 is 'Keeps, of what AMC listed, what no row "
        "of ours owns, and says what it seems to be.'"
    ),
    """
    create function adopt_execution_v1(p_reconciliation uuid, p_amc_execution_id text, p_by text,
      p_request_id text, p_new uuid) returns text language plpgsql as $$
    declare f record; w uuid; doubt uuid; has_ended boolean; used int; used_here int;
    begin
      select d.*, r.instance_id, i.account_id, i.max_concurrent_executions as i_max,
             a.max_concurrent_executions as a_max
        into f
        from reconciliation_findings d
        join reconciliations r on r.id = d.reconciliation_id
        join amc_instances i on i.id = r.instance_id
        join amc_accounts a on a.id = i.account_id
       where d.reconciliation_id = p_reconciliation and d.amc_execution_id = p_amc_execution_id;
      if not found then return null; end if;
      perform lock_gates_v1(array[f.account_id]);
      if exists (select from workflow_executions where instance_id = f.instance_id
                    and amc_execution_id = p_amc_execution_id) then return 'owned'; end if;
      if exists (select from stray_executions where instance_id = f.instance_id
                    and amc_execution_id = p_amc_execution_id) then return 'cancelling'; end if;
      select id into doubt from workflow_executions
       where account_id = f.account_id and instance_id = f.instance_id and state = 'submitting'
         and intent_at is not null and amc_workflow_id = f.amc_workflow_id
       order by id <> coalesce(f.execution_id, id), intent_at limit 1;
      if found then
        insert into outbox (message_type, body, correlation_id)
        values ('reconcile_execution.v1', jsonb_build_object('execution_id', doubt), p_request_id);
        perform decide_finding_v1(p_reconciliation, p_amc_execution_id, 'settling', p_by, null);
        return 'settling';
      end if;
      select workflow_id into w from workflow_definitions
       where amc_workflow_id = f.amc_workflow_id;
      if not found then return 'unknown_workflow'; end if;
      if upper(f.amc_status) in ('FAILED', 'REJECTED', 'CANCELLED') then return 'no_result'; end if;
      has_ended := upper(f.amc_status) = 'SUCCEEDED';
      if not has_ended then
        select count(*), count(*) filter (where instance_id = f.instance_id) into used, used_here
          from workflow_executions
         where account_id = f.account_id and state in ('submitting', 'pending', 'running');
        if used >= f.a_max or used_here >= f.i_max then return 'no_slot'; end if;
      end if;
      insert into workflow_executions (id, workflow_id, amc_workflow_id, instance_id, account_id,
        state, owner, lane, turn, request_id, time_window_type, time_window_start, time_window_end,
        time_zone, parameters, deadline_seconds, amc_timeout_seconds, amc_execution_id,
        amc_created_at, amc_status, deadline_at, admitted_at, submitted_at, lease_until)
      select p_new, w, f.amc_workflow_id, f.instance_id, f.account_id,
             case when has_ended then 'downloading' else 'pending' end, p_by, p_by, 0,
             p_request_id, case when x.is_explicit then 'EXPLICIT' else 'MOST_RECENT_DAY' end,
             case when x.is_explicit then f.time_window_start at time zone 'UTC' end,
             case when x.is_explicit then f.time_window_end at time zone 'UTC' end,
             'UTC', f.parameters, x.deadline, f.timeout_seconds, p_amc_execution_id, x.made,
             f.amc_status, clock_timestamp() + make_interval(secs => x.deadline), x.made, x.made,
             case when has_ended then clock_timestamp() + interval '30 s' end
        from (select num_nulls(f.time_window_start, f.time_window_end) = 0 as is_explicit,
                     least(greatest(coalesce(f.timeout_seconds, 21600), 60), 86400) as deadline,
                     coalesce(f.created_at, clock_timestamp()) as made) x;
      perform note_v1(p_new, 'adopted', 'found at AMC by a reconciliation; adopted by ' || p_by);
      if has_ended then
        insert into outbox (message_type, body, correlation_id)
        values ('download_result.v1', jsonb_build_object('execution_id', p_new), p_request_id);
      else
        perform arm_timer_v1('poll_instance', f.instance_id::text, interval '0 s',
                             jsonb_build_object('instance_id', f.instance_id));
      end if;
      perform decide_finding_v1(p_reconciliation, p_amc_execution_id, 'adopted', p_by, p_new);
      return 'adopted';
    end $$
    """,
    (
        "comment on function adopt_execution_v1 is 'Makes an execution of ours of one that AMC has: "
        "adopted. If a create of ours is in doubt for the same workflow, the rule that settles it "
        "decides instead: settling. Nothing is done otherwise: owned, cancelling, "
        "unknown_workflow, no_result, no_slot; null, if there is no such finding.'"
    ),
    """
    create function decide_finding_v1(p_reconciliation uuid, p_amc_execution_id text,
      p_decision text, p_by text, p_adopted_as uuid) returns void language sql as $$
      update reconciliation_findings
         set decision = p_decision, decided_by = p_by, decided_at = clock_timestamp(),
             adopted_as = p_adopted_as
       where reconciliation_id = p_reconciliation and amc_execution_id = p_amc_execution_id
    $$
    """,
    """
    create function cancel_finding_v1(p_reconciliation uuid, p_amc_execution_id text, p_by text)
    returns text language plpgsql as $$
    declare f record;
    begin
      select d.*, r.instance_id into f
        from reconciliation_findings d join reconciliations r on r.id = d.reconciliation_id
       where d.reconciliation_id = p_reconciliation and d.amc_execution_id = p_amc_execution_id;
      if not found then return null; end if;
      if f.kind = 'foreign' then return 'not_ours'; end if;
      if exists (select from workflow_executions where instance_id = f.instance_id
                    and amc_execution_id = p_amc_execution_id) then return 'owned'; end if;
      if exists (select from workflow_executions o
                  where o.instance_id = f.instance_id and o.amc_workflow_id = f.amc_workflow_id
                    and o.state = 'submitting' and o.intent_at is not null
                    and (o.amc_timeout_seconds = f.timeout_seconds
                         or f.timeout_seconds is null)) then
        return 'in_doubt';
      end if;
      insert into stray_executions (instance_id, amc_execution_id, execution_id, attempt)
      values (f.instance_id, p_amc_execution_id, f.execution_id, f.attempt) on conflict do nothing;
      insert into outbox (message_type, body)
      values ('cancel_stray.v1', jsonb_build_object('instance_id', f.instance_id,
                                                    'amc_execution_id', p_amc_execution_id));
      perform decide_finding_v1(p_reconciliation, p_amc_execution_id, 'cancelling', p_by, null);
      return 'cancelling';
    end $$
    """,
    (
        "comment on function cancel_finding_v1 is 'Asks AMC to cancel an execution that carries our "
        "mark: cancelling. Nothing is done otherwise: not_ours, owned, in_doubt; null, if there is "
        "no such finding.'"
    ),
]

DOWN = [
    "drop function cancel_finding_v1",
    "drop function decide_finding_v1",
    "drop function adopt_execution_v1",
    "drop function finish_reconciliation_v1",
    "drop table reconciliation_findings",
    "drop table reconciliations",
    "delete from timers where kind = 'reconcile_instance'",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
