-- name: take_permit
select granted, seconds from take_permit_v1($1, $2)

-- name: pause
-- Never shorter than a pause already there.
update rate_budgets
   set paused_until = greatest(paused_until, clock_timestamp() + $2::interval)
 where instance_id = $1
