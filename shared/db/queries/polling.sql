-- name: claim_for_poll
-- One look at a time for each instance: the loser of two deliveries finds no row. If the holder
-- has died the loser is its redelivery, so the timer comes back when the lease ends.
with claimed as (
  update instance_gates
     set poll_lease_until = clock_timestamp() + $2::interval, poll_fence = poll_fence + 1
   where instance_id = $1 and poll_lease_until <= clock_timestamp()
  returning instance_id, poll_fence
), refused as (
  update timers t
     set due_at = least(t.due_at, greatest(g.poll_lease_until, clock_timestamp()))
    from instance_gates g
   where g.instance_id = $1 and t.kind = 'poll_instance' and t.key = g.instance_id::text
     and not exists (select from claimed)
)
select g.poll_fence, clock_timestamp() as now,
       (select min(s.intent_at) from submission_attempts s
         where s.instance_id = g.instance_id and s.outcome = 'given_up'
           and s.intent_at > clock_timestamp() - interval '2 hours') as given_up_since,
       i.id as instance_id, i.amc_instance_id, a.entity_id, a.marketplace_id, i.region,
       c.id as credential_id, c.access_token_ciphertext, c.access_token_key_id,
       c.access_token_expires_at, c.version
  from claimed g
  join amc_instances i on i.id = g.instance_id
  join amc_accounts a on a.id = i.account_id
  join credentials c on c.id = a.credential_id

-- name: work_at_amc
select id, amc_execution_id, amc_workflow_id, state, amc_created_at, deadline_at, asked_at,
       missing_count, cancel_requested_at is not null as is_cancel_requested,
       deadline_passed_at is not null as is_deadline_passed, amc_status, amc_status_reason
  from workflow_executions
 where instance_id = $1 and state in ('pending', 'running')
 order by amc_created_at

-- name: observe
-- What AMC shows as ended needs not be asked to end: its cancellation's timer goes with it.
with quiet as (
  delete from timers t
   using jsonb_to_recordset($2::jsonb) as s(execution_id text, state text)
   where t.kind = 'cancel_execution' and t.key = s.execution_id
     and s.state in ('downloading', 'failed', 'cancelled')
)
select observe_executions_v1($1, $2)

-- name: mark_asked
update workflow_executions set asked_at = clock_timestamp(),
       missing_count = missing_count + case when $2 then 1 else 0 end
 where id = $1 and state in ('pending', 'running')

-- name: mark_deadline_passed
with late as (
  update workflow_executions set deadline_passed_at = clock_timestamp()
   where id = any($1::uuid[]) and state in ('pending', 'running') and deadline_passed_at is null
  returning id, request_id
), noted as (
  insert into execution_events (execution_id, kind, detail)
  select id, 'deadline_passed', 'asking AMC to cancel it' from late
)
insert into outbox (message_type, body, correlation_id)
select 'cancel_execution.v1', jsonb_build_object('execution_id', id), request_id from late

-- name: finish_look
-- Re-arm for the next look, or disarm when nothing of ours is left there. The timer is deleted
-- only at the value this look has seen: a bind that armed it meanwhile keeps it.
with freed as (
  update instance_gates set poll_lease_until = '-infinity'
   where instance_id = $1 and poll_fence = $2
  returning instance_id
), armed as (
  insert into timers (kind, key, due_at, command)
  select 'poll_instance', instance_id::text, clock_timestamp() + $3::interval,
         jsonb_build_object('instance_id', instance_id)
    from freed where $3::interval is not null
  on conflict (kind, key) do update set due_at = least(timers.due_at, excluded.due_at)
)
delete from timers t using freed f
 where t.kind = 'poll_instance' and t.key = f.instance_id::text and $3::interval is null
   and t.due_at = $4
   and not exists (select from workflow_executions e
                    where e.instance_id = $1 and e.state in ('pending', 'running'))

-- name: timer_due
select due_at from timers where kind = 'poll_instance' and key = $1

-- name: given_up_attempts
-- An attempt under way with the same mark could be whose execution it is: then nobody is a stray.
select g.execution_id, g.attempt, g.amc_workflow_id, g.timeout_seconds
  from submission_attempts g
 where g.instance_id = $1 and g.outcome = 'given_up' and g.amc_workflow_id = any($2::text[])
   and not exists (
         select from submission_attempts o
          where o.instance_id = g.instance_id and o.amc_workflow_id = g.amc_workflow_id
            and o.timeout_seconds = g.timeout_seconds and o.outcome = 'intended')

-- name: record_stray
with seen as (
  insert into stray_executions (instance_id, amc_execution_id, execution_id, attempt)
  values ($1, $2, $3, $4) on conflict do nothing
  returning instance_id, amc_execution_id
)
insert into outbox (message_type, body)
select 'cancel_stray.v1',
       jsonb_build_object('instance_id', instance_id, 'amc_execution_id', amc_execution_id)
  from seen

-- name: expected_seconds
-- How long the workflows now running here have taken lately: the median of the last runs.
select percentile_cont(0.5) within group (
         order by extract(epoch from remote_finished_at - submitted_at)) as seconds
  from (select remote_finished_at, submitted_at from workflow_executions
         where instance_id = $1 and remote_finished_at is not null
         order by id desc limit 50) lately

-- name: owned_among
select amc_execution_id from workflow_executions
 where instance_id = $1 and amc_execution_id = any($2::text[])
