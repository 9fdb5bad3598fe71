-- name: record
insert into dead_letters (queue, message_id, message_type, body, headers, correlation_id, reason)
values ($1, $2, $3, $4, $5, $6, $7) on conflict (queue, message_id) do nothing

-- name: fail_parked
-- A command that was parked ends its execution, so that nobody waits for it for ever.
select fail_parked_v1($1, $2, $3, $4)
