-- name: claim_for_submission
-- One worker holds an execution at a time: a claim is refused while a lease runs, and after the
-- intent nobody claims it for submission at all (the reconciler alone goes on from there).
-- Several at once share a round trip and a commit; rows are locked in the order of their ids.
with waiting as (
  select id from workflow_executions
   where id = any($1::uuid[]) and state = 'submitting' and intent_at is null
     and (lease_owner is null or lease_until <= clock_timestamp())
   order by id for no key update
), claimed as (
  update workflow_executions e
     set fence = fence + 1, lease_owner = $2, lease_until = clock_timestamp() + $3::interval
    from waiting w where e.id = w.id
  returning e.*
), disarmed as (
  -- By keys: joined, it would read through the timers of all that wait.
  delete from timers
   where kind = 'submit_execution' and key = any(array(select id::text from claimed))
)
select e.id, e.fence, e.attempt, e.postponed_count, e.deadline_seconds, e.amc_workflow_id,
       e.time_window_type, e.time_window_start, e.time_window_end, e.time_zone,
       e.parameters, d.sql_query, d.parameters as declared,
       e.cancel_requested_at is not null as is_cancel_requested,
       i.paused_at is not null or c.status = 'broken' as is_held,
       exists (select from amc_workflows w
                where w.instance_id = e.instance_id and w.amc_workflow_id = e.amc_workflow_id)
         as is_workflow_known,
       e.instance_id, i.amc_instance_id, a.entity_id, a.marketplace_id, i.region,
       c.id as credential_id, c.access_token_ciphertext, c.access_token_key_id,
       c.access_token_expires_at, c.version
  from claimed e
  join workflow_definitions d on d.amc_workflow_id = e.amc_workflow_id
  join amc_instances i on i.id = e.instance_id
  join amc_accounts a on a.id = e.account_id
  join credentials c on c.id = a.credential_id

-- name: is_workflow_known
select exists (select from amc_workflows where instance_id = $1 and amc_workflow_id = $2)

-- name: remember_workflow
insert into amc_workflows (instance_id, amc_workflow_id) values ($1, $2) on conflict do nothing

-- name: forget_workflow
delete from amc_workflows where instance_id = $1 and amc_workflow_id = $2

-- name: record_intent
-- The point of no return. A cancellation that committed before this wins; one that comes later
-- goes to AMC. The lease must still be ours, and long enough for the call to end within it.
with asked as (
  select * from unnest($1::uuid[], $2::bigint[], $3::int[]) as a(id, fence, timeout_seconds)
), held as (
  select e.id, a.timeout_seconds from workflow_executions e
    join asked a on a.id = e.id and a.fence = e.fence
   where e.state = 'submitting' and e.intent_at is null
     and e.cancel_requested_at is null and e.lease_until > clock_timestamp()
   order by e.id for no key update of e
), intended as (
  update workflow_executions e
     set intent_at = clock_timestamp(), attempt = attempt + 1,
         amc_timeout_seconds = h.timeout_seconds,
         settle_at = clock_timestamp() + $4::interval,
         lease_until = clock_timestamp() + $5::interval
    from held h where e.id = h.id
  returning e.id, e.attempt, e.instance_id, e.amc_workflow_id, e.amc_timeout_seconds,
            e.settle_at, e.lease_until
), timed as (
  insert into timers (kind, key, due_at, command)
  -- Before the lease ends nobody could claim it, and the timer would only come back by its guard.
  select 'reconcile_execution', id::text, greatest(settle_at, lease_until),
         jsonb_build_object('execution_id', id)
    from intended
  on conflict (kind, key) do update set due_at = excluded.due_at
), noted as (
  insert into submission_attempts (execution_id, attempt, instance_id, amc_workflow_id,
                                   timeout_seconds)
  select id, attempt, instance_id, amc_workflow_id, amc_timeout_seconds from intended
)
select id, attempt from intended

-- name: bind_all
-- They run at AMC: the slots stay taken, so no gate is needed. A second owner of an AMC id fails on
-- the unique index, for all of them. Rows first, then timers, those of instances in one order.
-- Where a look comes within $7 anyway, it sees the new execution too: a first look for each would be
-- a call to AMC for every execution. Arming always changes due_at, so that who disarms only the
-- value he has seen never takes this arm away.
with asked as (
  select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[])
           as a(id, fence, amc_execution_id, amc_status, created_at)
), held as (
  select e.id, a.amc_execution_id, a.amc_status, a.created_at
    from workflow_executions e join asked a on a.id = e.id and a.fence = e.fence
   where e.state = 'submitting'
   order by e.id for no key update of e
), bound as (
  update workflow_executions e
     set state = 'pending', amc_execution_id = h.amc_execution_id, amc_status = h.amc_status,
         amc_created_at = h.created_at, submitted_at = clock_timestamp(), lease_owner = null,
         lease_until = null, intent_at = null, settle_at = null,
         deadline_at = h.created_at + make_interval(secs => deadline_seconds)
    from held h where e.id = h.id
  returning e.id, e.instance_id, e.amc_workflow_id, e.request_id,
            e.cancel_requested_at is not null as is_cancel_requested
), noted as (
  update submission_attempts set outcome = 'bound'
   where execution_id = any(array(select id from bound)) and outcome = 'intended'
), disarmed as (
  delete from timers
   where kind = any(array['submit_execution', 'reconcile_execution', 'expire_execution'])
     and key = any(array(select id::text from bound))
), armed as (
  insert into timers as t (kind, key, due_at, command)
  select 'poll_instance', b.instance_id::text,
         clock_timestamp() + case when exists (
             select from timers
              where kind = 'poll_instance' and key = b.instance_id::text
                and due_at <= clock_timestamp() + $7::interval) then $7::interval
           else $6::interval end,
         jsonb_build_object('instance_id', b.instance_id)
    from (select distinct instance_id from bound order by instance_id) b
  on conflict (kind, key) do update
    set due_at = least(t.due_at - interval '1 microsecond', excluded.due_at),
        command = excluded.command
), used as (
  update amc_workflows w set last_used_at = clock_timestamp()
    from (select distinct instance_id, amc_workflow_id from bound) b
   where w.instance_id = b.instance_id and w.amc_workflow_id = b.amc_workflow_id
     and w.last_used_at < clock_timestamp() - interval '1 hour'
), told as (
  insert into outbox (message_type, body, correlation_id)
  select 'cancel_execution.v1', jsonb_build_object('execution_id', id), request_id
    from bound where is_cancel_requested
)
select id, is_cancel_requested from bound

-- name: end_submission
select end_submission_v1($1, $2, $3, $4, $5, $6, $7)

-- name: cancel_if_requested
select case when exists (
         select from workflow_executions
          where id = $1 and fence = $2 and state = 'submitting' and intent_at is null
            and cancel_requested_at is not null)
       then end_submission_v1($1, $2, 'cancelled', 'not_sent', null, null, null)
       else false end

-- name: requeue
select requeue_submission_v1($1, $2, $3, $4, $5)

-- name: postpone
-- Nothing was sent, or AMC said so: the intent is withdrawn and a timer brings the command back.
-- The shortest wait is that of a missed turn, which says nothing about AMC: it is not counted, and
-- so lengthens no later wait.
with postponed as (
  update workflow_executions
     set intent_at = null, settle_at = null, lease_owner = null,
         postponed_count = postponed_count + ($3::interval > interval '100 ms')::int,
         lease_until = clock_timestamp() + $3::interval + interval '30 s'
   where id = $1 and fence = $2 and state = 'submitting'
  returning id
), settled as (
  update submission_attempts s set outcome = $4 from postponed p
   where s.execution_id = p.id and s.outcome = 'intended'
), disarmed as (
  delete from timers t using postponed p
   where t.kind = 'reconcile_execution' and t.key = p.id::text
), armed as (
  insert into timers (kind, key, due_at, command)
  select 'submit_execution', id::text, clock_timestamp() + $3::interval,
         jsonb_build_object('execution_id', id)
    from postponed
  on conflict (kind, key) do update set due_at = excluded.due_at
), noted as (
  insert into execution_events (execution_id, kind, detail)
  select id, 'postponed', $5 from postponed
)
select id from postponed

-- name: claim_for_reconciliation
-- If the holder of the lease has died the loser is its redelivery, so the timer comes back when
-- the lease ends.
with claimed as (
  update workflow_executions
     set fence = fence + 1, lease_owner = $2, lease_until = clock_timestamp() + $3::interval
   where id = $1 and state = 'submitting' and intent_at is not null
     and settle_at <= clock_timestamp() and lease_until <= clock_timestamp()
  returning *
), refused as (
  update timers t
     set due_at = least(t.due_at, greatest(e.lease_until, e.settle_at, clock_timestamp()))
    from workflow_executions e
   where e.id = $1 and e.state = 'submitting' and e.intent_at is not null
     and t.kind = 'reconcile_execution' and t.key = e.id::text
     and not exists (select from claimed)
), disarmed as (
  -- The rescuer may arm it again just as the doubt is settled. No execution comes back to these
  -- states, so nobody needs a timer that is found without them.
  delete from timers
   where kind = 'reconcile_execution' and key = $1::uuid::text
     and not exists (select from workflow_executions
                      where id = $1 and state in ('queued', 'submitting'))
)
select e.id, e.fence, e.attempt, e.amc_timeout_seconds, e.intent_at, e.amc_workflow_id,
       e.time_window_type, e.time_window_start, e.time_window_end, e.time_zone, e.parameters,
       e.instance_id, i.amc_instance_id, a.entity_id, a.marketplace_id, i.region,
       c.id as credential_id, c.access_token_ciphertext, c.access_token_key_id,
       c.access_token_expires_at, c.version
  from claimed e
  join amc_instances i on i.id = e.instance_id
  join amc_accounts a on a.id = e.account_id
  join credentials c on c.id = a.credential_id

-- name: lock_fingerprint
-- Equal requests are interchangeable, so those who look for their owner take turns.
select pg_advisory_xact_lock(hashtextextended($1, 42))

-- name: owned_among
select amc_execution_id from workflow_executions
 where instance_id = $1 and amc_execution_id = any($2::text[])
union all
select amc_execution_id from stray_executions
 where instance_id = $1 and amc_execution_id = any($2::text[])

-- name: give_up_attempt
-- Who was to be cancelled has ended with this, and a queue timeout kept for it ends as well.
with given_up as materialized (
  select give_up_attempt_v1($1, $2) as outcome
), disarmed as (
  delete from timers t using given_up g
   where g.outcome = 'cancelled' and t.kind = 'expire_execution' and t.key = $1::uuid::text
)
select outcome from given_up

-- name: postpone_reconciliation
-- AMC could not be asked: the doubt stays, and so do the slot and the intent.
with left_open as (
  update workflow_executions
     set lease_owner = null, lease_until = clock_timestamp()
   where id = $1 and fence = $2 and state = 'submitting' and intent_at is not null
  returning id
)
insert into timers (kind, key, due_at, command)
select 'reconcile_execution', id::text, clock_timestamp() + $3::interval,
       jsonb_build_object('execution_id', id)
  from left_open
on conflict (kind, key) do update set due_at = excluded.due_at

-- name: cancel_work
select e.id, e.amc_execution_id,
       e.instance_id, i.amc_instance_id, a.entity_id, a.marketplace_id, i.region,
       c.id as credential_id, c.access_token_ciphertext, c.access_token_key_id,
       c.access_token_expires_at, c.version
  from workflow_executions e
  join amc_instances i on i.id = e.instance_id
  join amc_accounts a on a.id = e.account_id
  join credentials c on c.id = a.credential_id
 where e.id = $1 and e.state in ('pending', 'running')
   and (e.cancel_requested_at is not null or e.deadline_passed_at is not null)

-- name: destination
select i.id as instance_id, i.amc_instance_id, a.entity_id, a.marketplace_id, i.region,
       c.id as credential_id, c.access_token_ciphertext, c.access_token_key_id,
       c.access_token_expires_at, c.version
  from amc_instances i
  join amc_accounts a on a.id = i.account_id
  join credentials c on c.id = a.credential_id
 where i.id = $1

-- name: arm_timer
select arm_timer_v1($1, $2, $3, $4)

-- name: set_timer
-- Its guard has moved it on; this is the moment it is really wanted. Not of an execution that has
-- ended meanwhile: nobody would take its timer away.
insert into timers (kind, key, due_at, command)
select $1, $2::text, clock_timestamp() + $3::interval, $4
 where exists (select from workflow_executions
                where id = $2::text::uuid and state in ('submitting', 'pending', 'running'))
on conflict (kind, key) do update set due_at = excluded.due_at

-- name: disarm_timer
select disarm_v1(array[$1], $2)

-- name: stray_cancelled
update stray_executions set cancelled_at = clock_timestamp()
 where instance_id = $1 and amc_execution_id = $2 and cancelled_at is null
