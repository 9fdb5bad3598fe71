"""Commands to submit leave the outbox as the rate budget will take them, not all at once.

A hundred commands of one instance in the queue would keep every lane of every submitter waiting
for the turns of that instance alone, and the commands of all others behind them.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

PACED = """
    create or replace function admit_from_v1(p_instance int, p_slots int) returns int
    language plpgsql set plan_cache_mode = force_generic_plan as $$
    declare n int; k int; ahead bigint; pace interval; t timestamptz := clock_timestamp();
            in_hand constant interval := '400 ms';
    begin
      k := least(p_slots, quota_left_v1(p_instance));
      if k <= 0 then return 0; end if;
      pace := coalesce((select b.step from rate_budgets b where b.instance_id = p_instance),
                       interval '0');
      select count(*) into ahead from workflow_executions
       where account_id = (select i.account_id from amc_instances i where i.id = p_instance)
         and instance_id = p_instance and state = 'submitting' and intent_at is null;
      with moved as (
        update workflow_executions e
           set state = 'submitting', admitted_at = t, lease_owner = null,
               lease_until = t + pace * (ahead + p.nth) + interval '30 s'
          from unnest(array(
                 select q.id from workflow_executions q
                  where q.instance_id = p_instance and q.state = 'queued'
                  order by q.priority desc, q.turn, q.id limit k for no key update))
               with ordinality p(id, nth)
         where e.id = p.id
        returning e.id, e.request_id, t + pace * (ahead + p.nth - 1) - in_hand as wanted_at
      )
      insert into outbox (message_type, body, correlation_id, claim, available_at)
      select 'submit_execution.v1', jsonb_build_object('execution_id', id), request_id,
             case when wanted_at <= t
                  then nullif(current_setting('amcflow.relay', true), '')::uuid end,
             case when wanted_at <= t then t + interval '5 s' else wanted_at end
        from moved order by wanted_at;
      get diagnostics n = row_count;
      if n > 0 then
        update instance_gates set served = nextval('served_order') where instance_id = p_instance;
      end if;
      return n;
    end $$
    """
COMMENT = (
    "comment on function admit_from_v1 is 'Moves that many from the head of the line, the gate "
    "being held. Their commands are published as the rate budget will take them: the first at "
    "once by whoever wrote them, the others by any relay when their time comes.'"
)

AT_ONCE = """
    create or replace function admit_from_v1(p_instance int, p_slots int) returns int
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
    """


def upgrade() -> None:
    op.execute(PACED)
    op.execute(COMMENT)


def downgrade() -> None:
    op.execute(AT_ONCE)
    op.execute("comment on function admit_from_v1 is null")
