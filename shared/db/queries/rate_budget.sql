-- name: take_permit
-- Rows are locked in the order given, which is the same for all: that of the instances.
select granted, seconds
  from unnest($1::int[]) with ordinality as asked(instance_id, place),
       lateral take_permit_v1(asked.instance_id, $2)
 order by asked.place

-- name: pause
-- Never shorter than a pause already there.
update rate_budgets
   set paused_until = greatest(paused_until, clock_timestamp() + $2::interval)
 where instance_id = $1
