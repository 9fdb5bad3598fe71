-- Executions as they are read. Ids are ordered by time, so the newest first is `id desc`; each
-- list walks the index of its leading filter: (workflow_id, id), (instance_id, id), (state, id).
-- A list reads ids first, each with the versions of the three rows that what is shown of it comes
-- from: whoever has seen these versions needs nothing more. An update writes a new version of its
-- row, whose xmin is the transaction's number; a lock does not.

-- name: executions_by_id
select e.id, e.workflow_id, w.name as workflow_name, i.amc_instance_id as instance_id, e.state,
       e.amc_status, e.amc_status_reason, e.amc_execution_id, e.amc_workflow_id, e.priority,
       e.time_window_type, e.time_window_start, e.time_window_end, e.time_zone, e.parameters,
       e.output_format, e.deadline_seconds, e.queue_timeout_seconds, e.tags, e.retry_of, e.owner,
       e.request_id, e.row_count, e.size_bytes, e.output_location, e.error_code, e.error_message,
       e.error_hint, e.created_at, e.admitted_at, e.submitted_at, e.running_at,
       e.remote_finished_at, e.finished_at, e.cancel_requested_at
  from workflow_executions e
  join workflows w on w.id = e.workflow_id
  join amc_instances i on i.id = e.instance_id
 where e.id = any($1::uuid[])
 order by e.id desc

-- name: state_of_execution
select state from workflow_executions where id = $1

-- name: standing_of_execution
select id, state, amc_status, row_count, error_code, error_message, error_hint, finished_at
  from workflow_executions
 where id = $1

-- name: versions_of_all
select e.id, e.version, w.xmin as workflow_version, i.xmin as instance_version
  from (select id, xmin as version, workflow_id, instance_id
          from workflow_executions where id < $1 order by id desc limit $2) e
  join workflows w on w.id = e.workflow_id
  join amc_instances i on i.id = e.instance_id
 order by e.id desc

-- name: versions_in_states
-- One short walk for each state, merged: `state = any(...)` alone would sort all of them.
select e.id, e.version, w.xmin as workflow_version, i.xmin as instance_version
  from (select x.*
          from unnest($3::text[]) as s(state)
         cross join lateral (
           select id, xmin as version, workflow_id, instance_id from workflow_executions
            where state = s.state and id < $1 order by id desc limit $2) x
         order by x.id desc
         limit $2) e
  join workflows w on w.id = e.workflow_id
  join amc_instances i on i.id = e.instance_id
 order by e.id desc

-- name: versions_of_instance
select e.id, e.version, w.xmin as workflow_version, i.xmin as instance_version
  from (select id, xmin as version, workflow_id, instance_id
          from workflow_executions
         where instance_id = (select id from amc_instances where amc_instance_id = $3)
           and id < $1 and ($4::text[] is null or state = any($4))
         order by id desc
         limit $2) e
  join workflows w on w.id = e.workflow_id
  join amc_instances i on i.id = e.instance_id
 order by e.id desc

-- name: versions_of_workflow
select e.id, e.version, w.xmin as workflow_version, i.xmin as instance_version
  from (select id, xmin as version, workflow_id, instance_id
          from workflow_executions
         where workflow_id = $3 and id < $1
           and ($4::text is null
                or instance_id = (select id from amc_instances where amc_instance_id = $4))
           and ($5::text[] is null or state = any($5))
         order by id desc
         limit $2) e
  join workflows w on w.id = e.workflow_id
  join amc_instances i on i.id = e.instance_id
 order by e.id desc

-- name: timeline
select at, kind, from_state, to_state, error_code, detail
  from execution_events
 where execution_id = $1
 order by id

-- name: obstacles
-- The conditions of admissible_instances and admit_v1, each by itself.
select c.id is null or c.status = 'broken' as no_credential,
       i.paused_at is not null as paused,
       g.admit_after > clock_timestamp() as amc_is_full,
       i.daily_execution_quota is not null and i.daily_execution_quota <= (
         select count(*) from workflow_executions b
          where b.instance_id = i.id
            and b.admitted_at >= date_trunc('day', clock_timestamp() at time zone i.quota_time_zone)
                                 at time zone i.quota_time_zone) as quota_used_up,
       a.max_concurrent_executions <= (
         select count(*) from workflow_executions b
          where b.account_id = a.id
            and b.state in ('submitting', 'pending', 'running')) as account_is_full,
       i.max_concurrent_executions <= (
         select count(*) from workflow_executions b
          where b.account_id = a.id and b.instance_id = i.id
            and b.state in ('submitting', 'pending', 'running')) as instance_is_full
  from workflow_executions e
  join amc_instances i on i.id = e.instance_id
  join instance_gates g on g.instance_id = i.id
  join amc_accounts a on a.id = e.account_id
  left join credentials c on c.id = a.credential_id
 where e.id = $1

-- name: original
select e.id, e.workflow_id, e.amc_workflow_id, e.instance_id, e.account_id, e.priority, e.lane,
       e.tags, e.retry_of, e.time_window_type, e.time_window_start, e.time_window_end, e.time_zone,
       e.parameters, e.output_format, e.deadline_seconds, e.queue_timeout_seconds, e.state,
       w.deleted_at is not null as is_workflow_deleted
  from workflow_executions e
  join workflows w on w.id = e.workflow_id
 where e.id = $1
