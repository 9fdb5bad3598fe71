-- name: login
select id as credential_id, access_token_ciphertext, access_token_key_id,
       access_token_expires_at, version
  from credentials where id = $1

-- name: request_refresh
-- Many workers find a token expired at once; one command in five seconds is enough.
with asked as (
  update credentials set refresh_requested_at = clock_timestamp()
   where id = $1 and version = $2 and status <> 'broken'
     and refresh_requested_at < clock_timestamp() - interval '5 s'
  returning id
)
insert into outbox (message_type, body)
select 'refresh_credential.v1', jsonb_build_object('credential_id', id) from asked

-- name: claim_for_refresh
-- One refresh at a time for each credential, over all replicas. If the holder has died the loser
-- is its redelivery, so the timer comes back when the lease ends.
with claimed as (
  update credentials set lease_until = clock_timestamp() + $2::interval
   where id = $1 and status <> 'broken' and lease_until <= clock_timestamp()
  returning id, region, refresh_token_ciphertext, refresh_token_key_id, version, lease_until
), refused as (
  update timers t
     set due_at = least(t.due_at, greatest(c.lease_until, clock_timestamp()))
    from credentials c
   where c.id = $1 and c.status <> 'broken'
     and t.kind = 'refresh_credential' and t.key = c.id::text
     and not exists (select from claimed)
)
select * from claimed

-- name: store_tokens
-- The version refuses a worker that was frozen between Amazon's answer and this line.
with stored as (
  update credentials
     set access_token_ciphertext = $3, access_token_key_id = $4,
         access_token_expires_at = clock_timestamp() + $5::interval,
         refresh_token_ciphertext = $6, refresh_token_key_id = $7,
         version = version + 1, status = 'active', broken_reason = null,
         lease_until = '-infinity', refresh_requested_at = '-infinity',
         refreshed_at = clock_timestamp(), refresh_count = refresh_count + 1,
         updated_at = clock_timestamp()
   where id = $1 and version = $2 and status <> 'broken'
  returning id
)
insert into timers (kind, key, due_at, command)
select 'refresh_credential', id::text, clock_timestamp() + $8::interval,
       jsonb_build_object('credential_id', id)
  from stored
on conflict (kind, key) do update set due_at = excluded.due_at
returning key

-- name: wake_postponed
-- Commands that waited for this token need not wait for their timers any longer.
update timers t set due_at = clock_timestamp()
  from workflow_executions e
  join amc_accounts a on a.id = e.account_id
 where a.credential_id = $1 and e.state in ('submitting', 'downloading')
   and e.lease_owner is null and t.kind in ('submit_execution', 'download_result')
   and t.key = e.id::text and t.due_at <= clock_timestamp() + interval '10 s'

-- name: mark_broken
with broken as (
  update credentials
     set status = 'broken', broken_reason = $3, lease_until = '-infinity',
         updated_at = clock_timestamp()
   where id = $1 and version = $2
  returning id
)
delete from timers t using broken b
 where t.kind = 'refresh_credential' and t.key = b.id::text
returning t.key

-- name: try_again
-- Only by the holder of this very lease: one that was frozen must not end another's.
with released as (
  update credentials set lease_until = '-infinity'
   where id = $1 and version = $2 and lease_until = $3
  returning id
)
insert into timers (kind, key, due_at, command)
select 'refresh_credential', id::text, clock_timestamp() + $4::interval,
       jsonb_build_object('credential_id', id)
  from released
on conflict (kind, key) do update set due_at = excluded.due_at
returning key

-- name: instances_of
select i.id from amc_instances i join amc_accounts a on a.id = i.account_id
 where a.credential_id = $1
