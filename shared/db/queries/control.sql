-- name: request_cancel
select request_cancel_v1($1, $2)

-- name: expire_queued
select expire_queued_v1($1)

-- name: pause
update amc_instances
   set paused_at = coalesce(paused_at, clock_timestamp()), paused_by = coalesce(paused_by, $2),
       pause_reason = $3, updated_at = clock_timestamp()
 where id = $1

-- name: resume
update amc_instances
   set paused_at = null, paused_by = null, pause_reason = null, updated_at = clock_timestamp()
 where id = $1

-- name: change_limits
update amc_instances
   set max_concurrent_executions = coalesce($2, max_concurrent_executions),
       max_requests_per_second = coalesce($3, max_requests_per_second),
       daily_execution_quota = case when $5 then $4 else daily_execution_quota end,
       updated_at = clock_timestamp()
 where id = $1

-- name: change_step
update rate_budgets b
   set step = make_interval(secs => 1 / (0.94 * i.max_requests_per_second))
  from amc_instances i where i.id = b.instance_id and b.instance_id = $1

-- name: change_account_limit
update amc_accounts set max_concurrent_executions = $2 where id = $1
returning (select array_agg(id) from amc_instances where account_id = $1) as instances

-- name: admit
select admit_instances_v1($1)

-- name: rescue
select what, n from rescue_v1($1)
