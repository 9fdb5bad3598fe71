-- name: position
select coalesce((select last_id from event_positions where reader = 'amc.events'), 0)

-- name: take_turn
-- Nothing is written where there is nothing to tell. While a turn is held nobody else reads on.
-- The newest id is one step into the index; whether an id above the position exists would be looked
-- for from the table's beginning, since the planner expects a third of all rows to be above it.
insert into event_positions as p (reader, last_id, held_by, held_until)
select 'amc.events', 0, $1, clock_timestamp() + $2::interval
 where (select max(id) from execution_events)
       > coalesce((select last_id from event_positions where reader = 'amc.events'), 0)
on conflict (reader) do update set held_by = excluded.held_by, held_until = excluded.held_until
 where p.held_by = excluded.held_by or p.held_until is null or p.held_until <= clock_timestamp()
returning p.last_id

-- name: remember
insert into event_positions (reader, last_id) values ('amc.events', $1)
on conflict (reader) do update set last_id = greatest(event_positions.last_id, excluded.last_id)

-- name: owners
select e.id, e.owner, e.tags, e.request_id, e.workflow_id, i.amc_instance_id
  from workflow_executions e join amc_instances i on i.id = e.instance_id
 where e.id = any($1::uuid[])
