-- name: claim_left_behind
-- Rows of anybody whose lease ran out. The lease exceeds the time a
-- publish may take, so two relays publish one row only after a crash, and every handler is
-- idempotent. The lower bound is that of timers: published rows may stay visible to an old snapshot.
with left_behind as (
  select id from outbox
   where available_at <= statement_timestamp()
     and available_at > statement_timestamp() - $4::interval
   order by available_at limit $2 for update skip locked
)
update outbox o set claim = $1, available_at = clock_timestamp() + $3::interval
  from left_behind l where o.id = l.id
returning o.id, o.message_id, o.message_type, o.body, o.raw_body, o.correlation_id, o.headers

-- name: fresh_batch
-- The quick way, just after a commit of ours: born leased to us, so no claim is needed. Above an
-- id, since what was deleted may stay in the index; a row that commits late below it is left to
-- the other way.
select id, message_id, message_type, body, raw_body, correlation_id, headers from outbox
 where claim = $1 and id > $3 and available_at > statement_timestamp() order by id limit $2

-- name: delete_published
delete from outbox where id = any($1::bigint[]) and claim = $2

-- name: let_go
-- Not at once: with the broker away everybody would take them in turn.
update outbox set available_at = clock_timestamp() + interval '1 s'
 where id = any($1::bigint[]) and claim = $2

-- name: give_back
update outbox set claim = null, available_at = clock_timestamp() where claim = $1
