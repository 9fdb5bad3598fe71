-- Comparing AMC's executions with our rows. A timer is armed with the row, so that a run is carried
-- out whatever becomes of the message; it is disarmed when the run ends.

-- name: ask
with asked as (
  insert into reconciliations (id, instance_id, since, requested_by, status, error_code,
                               error_message, finished_at)
  select n.id, i.id, $3, $4,
         case when a.credential_id is null then 'failed' else 'waiting' end,
         case when a.credential_id is null then 'no_credential' end,
         case when a.credential_id is null then 'Its account has no credential.' end,
         case when a.credential_id is null then clock_timestamp() end
    from unnest($1::uuid[], $2::int[]) as n(id, instance_id)
    join amc_instances i on i.id = n.instance_id
    join amc_accounts a on a.id = i.account_id
  returning id, status
)
insert into timers (kind, key, due_at, command)
select 'reconcile_instance', id::text, clock_timestamp(), jsonb_build_object('reconciliation_id', id)
  from asked where status = 'waiting'

-- name: instance_keys
select id from amc_instances order by id

-- name: claim
-- One worker at a time. If the holder of the lease has died the loser is its redelivery, so the
-- timer comes back when the lease ends.
with claimed as (
  update reconciliations
     set status = 'running', fence = fence + 1, lease_until = clock_timestamp() + $2::interval
   where id = $1 and status in ('waiting', 'running') and lease_until <= clock_timestamp()
  returning *
), refused as (
  update timers t
     set due_at = least(t.due_at, greatest(r.lease_until, clock_timestamp()))
    from reconciliations r
   where r.id = $1 and r.status in ('waiting', 'running')
     and t.kind = 'reconcile_instance' and t.key = r.id::text
     and not exists (select from claimed)
)
select r.fence, r.since, clock_timestamp() - r.requested_at as age,
       i.id as instance_id, i.amc_instance_id, a.entity_id, a.marketplace_id, i.region,
       c.id as credential_id, c.access_token_ciphertext, c.access_token_key_id,
       c.access_token_expires_at, c.version
  from claimed r
  join amc_instances i on i.id = r.instance_id
  join amc_accounts a on a.id = i.account_id
  join credentials c on c.id = a.credential_id

-- name: finish
select finish_reconciliation_v1($1, $2, $3, $4)

-- name: postpone
with left_open as (
  update reconciliations
     set status = 'waiting', lease_until = clock_timestamp(), error_code = $4, error_message = $5
   where id = $1 and fence = $2 and status = 'running'
  returning id
)
insert into timers (kind, key, due_at, command)
select 'reconcile_instance', id::text, clock_timestamp() + $3::interval,
       jsonb_build_object('reconciliation_id', id)
  from left_open
on conflict (kind, key) do update set due_at = excluded.due_at

-- name: fail
with failed as (
  update reconciliations
     set status = 'failed', finished_at = clock_timestamp(), error_code = $3, error_message = $4
   where id = $1 and fence = $2 and status = 'running'
  returning id
)
delete from timers t using failed f where t.kind = 'reconcile_instance' and t.key = f.id::text

-- name: page_of_reconciliations
select r.id, i.amc_instance_id as instance_id, r.since, r.requested_by, r.requested_at, r.status,
       r.is_complete, r.listed_count, r.error_code, r.error_message, r.finished_at,
       n.in_doubt, n.stray, n.foreign_count
  from reconciliations r
  join amc_instances i on i.id = r.instance_id
 cross join lateral (
   select count(*) filter (where f.kind = 'in_doubt') as in_doubt,
          count(*) filter (where f.kind = 'stray') as stray,
          count(*) filter (where f.kind = 'foreign') as foreign_count
     from reconciliation_findings f where f.reconciliation_id = r.id) n
 where r.id < $1 and ($3::text is null or i.amc_instance_id = $3)
 order by r.id desc
 limit $2

-- name: reconciliations_by_id
select r.id, i.amc_instance_id as instance_id, r.since, r.requested_by, r.requested_at, r.status,
       r.is_complete, r.listed_count, r.error_code, r.error_message, r.finished_at,
       n.in_doubt, n.stray, n.foreign_count
  from reconciliations r
  join amc_instances i on i.id = r.instance_id
 cross join lateral (
   select count(*) filter (where f.kind = 'in_doubt') as in_doubt,
          count(*) filter (where f.kind = 'stray') as stray,
          count(*) filter (where f.kind = 'foreign') as foreign_count
     from reconciliation_findings f where f.reconciliation_id = r.id) n
 where r.id = any($1::uuid[])
 order by r.instance_id

-- name: page_of_findings
select f.id, f.amc_execution_id, f.amc_workflow_id, d.workflow_id, f.amc_status, f.created_at,
       f.timeout_seconds, f.kind, f.execution_id, f.decision, f.decided_by, f.decided_at,
       f.adopted_as
  from reconciliation_findings f
  left join workflow_definitions d on d.amc_workflow_id = f.amc_workflow_id
 where f.reconciliation_id = $1 and f.id > $2
   and ($4::text is null or f.kind = $4)
 order by f.id
 limit $3

-- name: finding
select f.id, f.amc_execution_id, f.amc_workflow_id, d.workflow_id, f.amc_status, f.created_at,
       f.timeout_seconds, f.kind, f.execution_id, f.decision, f.decided_by, f.decided_at,
       f.adopted_as
  from reconciliation_findings f
  left join workflow_definitions d on d.amc_workflow_id = f.amc_workflow_id
 where f.reconciliation_id = $1 and f.amc_execution_id = $2

-- name: adopt
select adopt_execution_v1($1, $2, $3, $4, $5)

-- name: cancel
select cancel_finding_v1($1, $2, $3)
