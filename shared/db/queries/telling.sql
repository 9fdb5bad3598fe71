-- name: position
select coalesce((select last_id from event_positions where reader = 'amc.events'), 0)

-- name: remember
insert into event_positions (reader, last_id) values ('amc.events', $1)
on conflict (reader) do update set last_id = greatest(event_positions.last_id, excluded.last_id)

-- name: owners
select e.id, e.owner, e.tags, e.request_id, e.workflow_id, i.amc_instance_id
  from workflow_executions e join amc_instances i on i.id = e.instance_id
 where e.id = any($1::uuid[])
