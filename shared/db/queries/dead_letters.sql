-- Parked messages. Each is kept once, and every move of it with who made it and when.

-- name: record
select record_parked_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: fail_parked
-- A command that was parked ends its execution, so that nobody waits for it for ever.
select fail_parked_v1($1, $2, $3, $4)

-- name: page_of_parked
select d.id, d.queue, d.message_id, d.message_type, d.reason, d.correlation_id, d.execution_id,
       e.state as execution_state, d.parked_count, d.parked_at, d.last_parked_at,
       coalesce(d.settlement, 'open') as status, d.settled_at,
       octet_length(d.body) as size_bytes, '' as body
  from dead_letters d
  left join workflow_executions e on e.id = d.execution_id
 where d.id < $1
   and case $3 when 'all' then true when 'open' then d.settled_at is null
               else d.settlement = $3 end
   and ($4::text is null or d.queue = $4)
   and ($5::text is null or d.message_type = $5)
   and ($6::text is null or split_part(d.reason, ': ', 1) = $6)
   and ($7::timestamptz is null or d.last_parked_at < $7)
 order by d.id desc
 limit $2

-- name: parked_by_id
select d.id, d.queue, d.message_id, d.message_type, d.reason, d.correlation_id, d.execution_id,
       e.state as execution_state, d.parked_count, d.parked_at, d.last_parked_at,
       coalesce(d.settlement, 'open') as status, d.settled_at,
       octet_length(d.body) as size_bytes, left(d.body, $2) as body
  from dead_letters d
  left join workflow_executions e on e.id = d.execution_id
 where d.id = $1

-- name: history_of_parked
select at, kind, by, detail from dead_letter_events where letter_id = $1 order by id

-- name: redrive
select redrive_parked_v1($1, $2, $3)

-- name: redrive_all
-- The oldest first; each one behind the cursor is tried once, in one transaction.
with chosen as materialized (
  select id from dead_letters
   where settled_at is null and id > $1
     and ($5::text is null or queue = $5)
     and ($6::text is null or message_type = $6)
     and ($7::text is null or split_part(reason, ': ', 1) = $7)
     and ($8::timestamptz is null or last_parked_at < $8)
   order by id
   limit $2
)
select id, redrive_parked_v1(id, $3, $4) as outcome from chosen order by id

-- name: discard
select discard_parked_v1($1, $2, $3)
