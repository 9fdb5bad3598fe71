-- The stream of execution events.

-- name: newest_event
select coalesce(max(id), 0) from execution_events

-- name: events_since
with found as (
  (select * from execution_events where id > $1 order by id limit $3)
  union all
  select * from execution_events where id = any($2::bigint[]) and id <= $1
)
select f.id, f.execution_id, e.workflow_id, i.amc_instance_id as instance_id, f.at, f.kind,
       f.from_state, f.to_state, f.error_code, f.detail
  from found f
  left join workflow_executions e on e.id = f.execution_id
  left join amc_instances i on i.id = e.instance_id
 order by f.id
