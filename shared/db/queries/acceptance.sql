-- name: accept
select accept_executions_v2($1)

-- name: remember
insert into idempotency_keys (owner, scope, key, request_sha256, response)
values ($1, $2, $3, $4, $5)

-- name: admit
select admit_instances_v1($1)
