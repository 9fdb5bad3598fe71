"""May it run now, and in which order: acceptance, admission, and the rate budget.

Rules that hold all of this together:
* Whatever takes or frees a slot locks the account's gate first, then rows. All gates of one
  transaction are locked by one ordered statement, so there is no second order to keep.
* Slots are counted in a statement after the one that locked: its snapshot is younger than the lock.
* Lock to commit is one call, so a frozen client cannot hold a gate.
* State words in statements are literals, otherwise the partial indexes could not be used.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UP = [
    """
    create view admissible_instances as
    select i.id, i.account_id, i.max_concurrent_executions, i.daily_execution_quota,
           i.quota_time_zone, g.served
      from amc_instances i
      join instance_gates g on g.instance_id = i.id
      join amc_accounts a on a.id = i.account_id
      join credentials c on c.id = a.credential_id
     where i.paused_at is null and c.status <> 'broken' and g.admit_after <= clock_timestamp()
    """,
    (
        "comment on view admissible_instances is 'Not paused, login not broken, and AMC has not "
        "said that it is full.'"
    ),
    """
    create function accept_executions_v1(p_rows jsonb, p_owner text, p_request_id text)
    returns int language plpgsql as $$
    declare n int;
    begin
      with asked as (
        select r.*, o.ordinality
          from jsonb_array_elements(p_rows) with ordinality o(row, ordinality),
               jsonb_to_record(o.row) as r(id uuid, workflow_id uuid, amc_workflow_id text,
                 instance_id int, account_id int, priority smallint, lane text, tags jsonb,
                 retry_of uuid, time_window_type text, time_window_start timestamp,
                 time_window_end timestamp, time_zone text, parameters jsonb,
                 output_format text, deadline_seconds int, queue_timeout_seconds int)
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
               p_owner, a.lane,
               l.first_turn - 1 + row_number() over (
                 partition by a.instance_id, a.lane, a.priority order by a.ordinality),
               p_request_id, coalesce(a.tags, '{}'), a.retry_of, a.time_window_type,
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
        "comment on function accept_executions_v1 is 'Stores requests in line. A turn is "
        "start-time fair queueing: one behind the lane''s last, never before the head of the "
        "line, so lanes take turns and nobody saves up a claim.'"
    ),
    """
    create function lock_gates_v1(p_accounts int[]) returns void language sql as $$
      select count(*) from (
        select account_id from account_gates where account_id = any(p_accounts)
         order by account_id for no key update) locked
    $$
    """,
    """
    create function quota_left_v1(p_instance int) returns int language plpgsql as $$
    declare i record; day_start timestamptz; used int;
    begin
      select daily_execution_quota as quota, quota_time_zone as zone into i
        from amc_instances where id = p_instance;
      if i.quota is null then return 2147483647; end if;
      day_start := date_trunc('day', clock_timestamp() at time zone i.zone) at time zone i.zone;
      select count(*) into used from workflow_executions
       where instance_id = p_instance and admitted_at >= day_start;
      if used >= i.quota then
        insert into timers (kind, key, due_at, command)
        values ('admit_instance', p_instance::text, day_start + interval '1 day',
                jsonb_build_object('instance_id', p_instance))
        on conflict (kind, key) do update set due_at = least(timers.due_at, excluded.due_at);
      end if;
      return greatest(i.quota - used, 0);
    end $$
    """,
    """
    create function admit_from_v1(p_instance int, p_slots int) returns int
    language plpgsql set plan_cache_mode = force_generic_plan as $$
    declare n int; k int;
    begin
      k := least(p_slots, quota_left_v1(p_instance));
      if k <= 0 then return 0; end if;
      with moved as (
        update workflow_executions
           set state = 'submitting', admitted_at = clock_timestamp(), lease_owner = null,
               lease_until = clock_timestamp() + interval '30 s'
         where id = any(array(
                 select q.id from workflow_executions q
                  where q.instance_id = p_instance and q.state = 'queued'
                  order by q.priority desc, q.turn, q.id limit k for no key update))
        returning id, request_id
      )
      insert into outbox (message_type, body, correlation_id)
      select 'submit_execution.v1', jsonb_build_object('execution_id', id), request_id from moved;
      get diagnostics n = row_count;
      if n > 0 then
        update instance_gates set served = nextval('served_order') where instance_id = p_instance;
      end if;
      return n;
    end $$
    """,
    """
    create function admit_v1(p_account int, p_instances int[], p_freed int) returns int
    language plpgsql set plan_cache_mode = force_generic_plan as $$
    declare a_max int; a_used int; a_free int; i record; n int; total int := 0;
            spent int[] := '{}';
    begin
      select max_concurrent_executions into a_max from amc_accounts where id = p_account;
      select count(*) into a_used from workflow_executions
       where account_id = p_account and state in ('submitting', 'pending', 'running');
      a_free := a_max - a_used;
      if a_free <= 0 then return 0; end if;
      if a_used + p_freed < a_max then
        for i in
          select x.id, x.max_concurrent_executions - (
                   select count(*) from workflow_executions b
                    where b.account_id = p_account and b.instance_id = x.id
                      and b.state in ('submitting', 'pending', 'running')) as free
            from admissible_instances x
           where x.id = any(p_instances) and x.account_id = p_account
        loop
          exit when a_free <= 0;
          if i.free > 0 then
            n := admit_from_v1(i.id, least(i.free, a_free)::int);
            a_free := a_free - n;
            total := total + n;
          end if;
        end loop;
        return total;
      end if;
      while a_free > 0 loop
        with busy as materialized (
          select instance_id, count(*) as n from workflow_executions
           where account_id = p_account and state in ('submitting', 'pending', 'running')
           group by instance_id
        ), open as materialized (
          select x.id, x.served from admissible_instances x left join busy b on b.instance_id = x.id
           where x.account_id = p_account and x.id <> all(spent)
             and coalesce(b.n, 0) < x.max_concurrent_executions
        )
        select o.id into i from open o
         cross join lateral (
           select q.priority from workflow_executions q
            where q.instance_id = o.id and q.state = 'queued'
            order by q.priority desc, q.turn, q.id limit 1) head
         order by head.priority desc, o.served limit 1;
        exit when not found;
        n := admit_from_v1(i.id, 1);
        if n = 0 then spent := spent || i.id; end if;
        a_free := a_free - n;
        total := total + n;
      end loop;
      return total;
    end $$
    """,
    (
        "comment on function admit_v1 is 'Moves as many queued executions as there are free slots; "
        "the gate must be held. p_freed: slots given back in this transaction. Where the account "
        "was full, the choice is over all its instances, least recently served first.'"
    ),
    """
    create function admit_instances_v1(p_instances int[]) returns int language plpgsql as $$
    declare accounts int[]; a int; total int := 0;
    begin
      select array_agg(distinct account_id) into accounts
        from amc_instances where id = any(p_instances);
      if accounts is null then return 0; end if;
      perform lock_gates_v1(accounts);
      foreach a in array accounts loop
        total := total + admit_v1(a, p_instances, 0);
      end loop;
      return total;
    end $$
    """,
    """
    create function take_permit_v1(p_instance int, p_ahead interval)
    returns table (granted boolean, seconds float8) language plpgsql as $$
    declare r rate_budgets; t timestamptz; slot timestamptz;
    begin
      perform set_config('synchronous_commit', 'off', true);
      select * into strict r from rate_budgets where instance_id = p_instance for no key update;
      t := clock_timestamp();
      if r.next_free_at > t + interval '120 s' then r.next_free_at := t + 10 * r.step; end if;
      slot := greatest(r.next_free_at, r.paused_until, t);
      if slot > t + p_ahead then
        return query select false, extract(epoch from slot - p_ahead - t)::float8;
        return;
      end if;
      update rate_budgets set next_free_at = slot + r.step where instance_id = p_instance;
      return query select true, greatest(extract(epoch from slot - clock_timestamp())::float8, 0);
    end $$
    """,
    (
        "comment on function take_permit_v1 is 'GCRA with burst 1 on the database''s clock, read "
        "after the row lock. granted: wait that many seconds, then send. Not granted: nothing was "
        "booked; ask again after that many seconds. Nobody books more than 60 s ahead, so a turn "
        "twice as far off means that the clock was set back.'"
    ),
]

DOWN = [
    "drop function take_permit_v1",
    "drop function admit_instances_v1",
    "drop function admit_v1",
    "drop function admit_from_v1",
    "drop function quota_left_v1",
    "drop function lock_gates_v1",
    "drop function accept_executions_v1",
    "drop view admissible_instances",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
