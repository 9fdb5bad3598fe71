-- Bearer tokens of our own API, by their hash.

-- name: name_of_token
select name from service_tokens where token_sha256 = $1 and revoked_at is null

-- name: create_token
insert into service_tokens (name, token_sha256) values ($1, $2)
on conflict (name) do nothing
returning id

-- name: revoke_token
update service_tokens set revoked_at = clock_timestamp()
 where name = $1 and revoked_at is null
returning id
