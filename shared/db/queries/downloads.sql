-- name: claim_for_download
with claimed as (
  update workflow_executions
     set fence = fence + 1, lease_owner = $2, lease_until = clock_timestamp() + $3::interval
   where id = $1 and state = 'downloading'
     and (lease_owner is null or lease_until <= clock_timestamp())
  returning *
), disarmed as (
  delete from timers t using claimed c
   where t.kind = 'download_result' and t.key = c.id::text
)
select e.id, e.no, e.workflow_id, w.no as workflow_no, w.name as workflow_name, e.fence,
       e.postponed_count, e.amc_execution_id, e.output_location, e.output_columns,
       e.instance_id, i.amc_instance_id, a.entity_id, a.marketplace_id, i.region,
       c.id as credential_id, c.access_token_ciphertext, c.access_token_key_id,
       c.access_token_expires_at, c.version
  from claimed e
  join workflows w on w.id = e.workflow_id
  join amc_instances i on i.id = e.instance_id
  join amc_accounts a on a.id = e.account_id
  join credentials c on c.id = a.credential_id

-- name: renew
update workflow_executions set lease_until = clock_timestamp() + $3::interval
 where id = $1 and fence = $2 and state = 'downloading'
returning id

-- name: give_back
-- The worker stops: another one may go on at once.
with returned as (
  update workflow_executions
     set lease_owner = null, lease_until = clock_timestamp() + interval '30 s'
   where id = $1 and fence = $2 and state = 'downloading'
  returning id, request_id
)
insert into outbox (message_type, body, correlation_id)
select 'download_result.v1', jsonb_build_object('execution_id', id), request_id from returned

-- name: fail
-- The slot was freed when AMC finished, so no gate is needed.
update workflow_executions
   set state = 'failed', finished_at = clock_timestamp(), lease_owner = null, lease_until = null,
       error_code = $3, error_message = $4, error_hint = $5
 where id = $1 and fence = $2 and state = 'downloading'
returning id

-- name: postpone
-- The shortest wait is that of a missed turn at AMC: it is not counted, and lengthens no later one.
with postponed as (
  update workflow_executions
     set lease_owner = null, lease_until = clock_timestamp() + $3::interval + interval '30 s',
         postponed_count = postponed_count + ($3::interval > interval '500 ms')::int
   where id = $1 and fence = $2 and state = 'downloading'
  returning id
), noted as (
  insert into execution_events (execution_id, kind, detail)
  select id, 'download_postponed', $4 from postponed
)
insert into timers (kind, key, due_at, command)
select 'download_result', id::text, clock_timestamp() + $3::interval,
       jsonb_build_object('execution_id', id)
  from postponed
on conflict (kind, key) do update set due_at = excluded.due_at
returning key
