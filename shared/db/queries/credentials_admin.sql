-- Credentials as people manage them. No statement here returns a ciphertext.

-- name: create_credential
with credential as (
  insert into credentials (id, name, region, refresh_token_ciphertext, refresh_token_key_id,
                           created_by)
  values ($1, $2, $3, $4, $5, $6)
  on conflict (name) do nothing
  returning *
), asked as (
  insert into outbox (message_type, body)
  select 'refresh_credential.v1', jsonb_build_object('credential_id', id) from credential
)
select id, name, region, status, broken_reason, access_token_expires_at, refreshed_at,
       refresh_count, created_by, created_at, updated_at
  from credential

-- name: get_credential
select id, name, region, status, broken_reason, access_token_expires_at, refreshed_at,
       refresh_count, created_by, created_at, updated_at
  from credentials
 where id = $1

-- name: page_of_credentials
select id, name, region, status, broken_reason, access_token_expires_at, refreshed_at,
       refresh_count, created_by, created_at, updated_at
  from credentials
 where id < $1
 order by id desc
 limit $2

-- name: replace_refresh_token
with credential as (
  update credentials
     set refresh_token_ciphertext = $2, refresh_token_key_id = $3, status = 'new',
         broken_reason = null, version = version + 1, lease_until = '-infinity',
         refresh_requested_at = clock_timestamp(), updated_at = clock_timestamp()
   where id = $1
  returning *
), asked as (
  insert into outbox (message_type, body)
  select 'refresh_credential.v1', jsonb_build_object('credential_id', id) from credential
)
select id, name, region, status, broken_reason, access_token_expires_at, refreshed_at,
       refresh_count, created_by, created_at, updated_at
  from credential
