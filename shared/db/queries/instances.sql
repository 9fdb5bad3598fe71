-- Instances. Each is born with its gate and its rate budget: 94 % of the limit, so that permits of
-- up to 20 ms of age, and twice as much on the way, keep any second within it.

-- name: create_instance
with instance as (
  insert into amc_instances (amc_instance_id, account_id, name, region, instance_type,
    max_concurrent_executions, max_requests_per_second, daily_execution_quota, quota_time_zone)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
  on conflict (amc_instance_id) do nothing
  returning *
), gate as (
  insert into instance_gates (instance_id, account_id) select id, account_id from instance
), budget as (
  insert into rate_budgets (instance_id, step)
  select id, make_interval(secs => 1 / (0.94 * max_requests_per_second)) from instance
)
select i.id as key, i.amc_instance_id, a.public_id as account_id, i.name, i.region,
       i.instance_type, i.max_concurrent_executions, i.max_requests_per_second,
       i.daily_execution_quota, i.quota_time_zone, i.paused_at, i.paused_by, i.pause_reason,
       i.created_at, i.updated_at
  from instance i
  join amc_accounts a on a.id = i.account_id

-- name: get_instance
select i.id as key, i.amc_instance_id, a.public_id as account_id, i.name, i.region,
       i.instance_type, i.max_concurrent_executions, i.max_requests_per_second,
       i.daily_execution_quota, i.quota_time_zone, i.paused_at, i.paused_by, i.pause_reason,
       i.created_at, i.updated_at
  from amc_instances i
  join amc_accounts a on a.id = i.account_id
 where i.amc_instance_id = $1

-- name: page_of_instances
select i.id as key, i.amc_instance_id, a.public_id as account_id, i.name, i.region,
       i.instance_type, i.max_concurrent_executions, i.max_requests_per_second,
       i.daily_execution_quota, i.quota_time_zone, i.paused_at, i.paused_by, i.pause_reason,
       i.created_at, i.updated_at
  from amc_instances i
  join amc_accounts a on a.id = i.account_id
 where i.id > $1 and ($2::uuid is null or a.public_id = $2)
 order by i.id
 limit $3

-- name: update_instance
with changed as (
  update amc_instances
     set name = coalesce($2, name), quota_time_zone = coalesce($3, quota_time_zone),
         updated_at = clock_timestamp()
   where amc_instance_id = $1
  returning *
)
select i.id as key, i.amc_instance_id, a.public_id as account_id, i.name, i.region,
       i.instance_type, i.max_concurrent_executions, i.max_requests_per_second,
       i.daily_execution_quota, i.quota_time_zone, i.paused_at, i.paused_by, i.pause_reason,
       i.created_at, i.updated_at
  from changed i
  join amc_accounts a on a.id = i.account_id

-- name: limits_now
select (select count(*) from workflow_executions e
         where e.account_id = i.account_id and e.instance_id = i.id
           and e.state in ('submitting', 'pending', 'running')) as in_use,
       (select count(*) from workflow_executions e
         where e.instance_id = i.id and e.state = 'queued') as queued,
       a.max_concurrent_executions as account_max_concurrent_executions,
       (select count(*) from workflow_executions e
         where e.account_id = i.account_id
           and e.state in ('submitting', 'pending', 'running')) as account_in_use,
       case when b.paused_until > clock_timestamp() then b.paused_until end
         as requests_paused_until,
       case when g.admit_after > clock_timestamp() then g.admit_after end
         as admission_paused_until,
       (select count(*) from workflow_executions e
         where e.instance_id = i.id
           and e.admitted_at >= date_trunc('day', clock_timestamp() at time zone i.quota_time_zone)
                                at time zone i.quota_time_zone) as admitted_today,
       c.status as credential_status
  from amc_instances i
  join amc_accounts a on a.id = i.account_id
  join instance_gates g on g.instance_id = i.id
  join rate_budgets b on b.instance_id = i.id
  left join credentials c on c.id = a.credential_id
 where i.id = $1

-- name: queue
-- The order of admit_from_v1.
select id, workflow_id, owner, priority, created_at
  from workflow_executions
 where instance_id = $1 and state = 'queued'
 order by priority desc, turn, id
 limit $2

-- name: references
select id, amc_instance_id, account_id
  from amc_instances
 where amc_instance_id = any($1::text[])
