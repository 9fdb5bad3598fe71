-- Answers by the client's own key. No `on conflict`: the loser of two twins must notice.

-- name: remember_request
insert into idempotency_keys (owner, scope, key, request_sha256, response)
values ($1, $2, $3, $4, $5)

-- name: find_request
select request_sha256, response
  from idempotency_keys
 where owner = $1 and scope = $2 and key = $3
