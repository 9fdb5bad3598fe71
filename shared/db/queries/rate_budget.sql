-- name: take_permit
-- Rows are locked in the order given, which is the same for all: that of the instances.
select granted, at, told_at
  from unnest($1::int[]) with ordinality as asked(instance_id, place),
       lateral take_permit_v2(asked.instance_id, $2, $3)
 order by asked.place

-- name: pause
-- Never shorter than a pause already there.
update rate_budgets
   set paused_until = greatest(paused_until, clock_timestamp() + $2::interval)
 where instance_id = $1
