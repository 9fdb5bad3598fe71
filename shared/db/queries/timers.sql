-- name: due_kinds
-- One look for all kinds of a service: most find nothing, and then that was all. The limit makes it
-- one probe of the index for each kind. For the two bounds see below.
select asked.kind from unnest($1::text[]) as asked(kind)
 cross join lateral (
   select from timers t
    where t.kind = asked.kind and t.due_at <= statement_timestamp()
      and t.due_at > statement_timestamp() - $2::interval
    order by t.due_at limit 1) due

-- name: fire
-- The timer moves on by a guard instead of going away: if the message, the broker or the worker
-- is lost, it fires again. `statement_timestamp()` may bound an index, `clock_timestamp()` not.
-- The lower bound keeps most looks short beside an old snapshot (a load of an hour is one): moved
-- timers leave entries behind that cannot go until it ends, and a look would walk over all of them.
with due as (
  select kind, key from timers
   where kind = $1 and due_at <= statement_timestamp()
     and due_at > statement_timestamp() - $5::interval
   order by due_at limit $2 for update skip locked
), moved as (
  update timers t set due_at = clock_timestamp() + $3::interval
    from due d where t.kind = d.kind and t.key = d.key
  returning t.command
)
insert into outbox (message_type, body, correlation_id)
select $4, m.command, e.request_id
  from moved m
  left join workflow_executions e on e.id = (m.command ->> 'execution_id')::uuid
returning id

-- name: take_due
-- For timers whose work is done in place: the caller disarms each when it has done it.
with due as (
  select kind, key from timers
   where kind = $1 and due_at <= statement_timestamp()
   order by due_at limit $2 for update skip locked
)
update timers t set due_at = clock_timestamp() + $3::interval
  from due d where t.kind = d.kind and t.key = d.key
returning t.key, t.command, t.due_at

-- name: disarm
-- Given the due_at that was seen, only that one: who armed it meanwhile keeps it.
delete from timers where kind = $1 and key = $2 and ($3::timestamptz is null or due_at = $3)

-- name: arm
select arm_timer_v1($1, $2, $3, $4)
