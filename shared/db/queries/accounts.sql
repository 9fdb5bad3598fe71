-- Accounts. Each is born with its gate, which everything locks that takes or frees a slot.

-- name: create_account
with account as (
  insert into amc_accounts (public_id, entity_id, marketplace_id, name, credential_id,
                            max_concurrent_executions)
  values ($1, $2, $3, $4, $5, $6)
  on conflict (entity_id, marketplace_id) do nothing
  returning *
), gate as (
  insert into account_gates (account_id) select id from account
)
select id as key, public_id, entity_id, marketplace_id, name, credential_id,
       max_concurrent_executions, created_at
  from account

-- name: get_account
select id as key, public_id, entity_id, marketplace_id, name, credential_id,
       max_concurrent_executions, created_at
  from amc_accounts
 where public_id = $1

-- name: page_of_accounts
select id as key, public_id, entity_id, marketplace_id, name, credential_id,
       max_concurrent_executions, created_at
  from amc_accounts
 where id > $1
 order by id
 limit $2

-- name: update_account
update amc_accounts
   set name = coalesce($2, name), credential_id = coalesce($3, credential_id)
 where public_id = $1
returning id as key, public_id, entity_id, marketplace_id, name, credential_id,
          max_concurrent_executions, created_at

-- name: instances_of_account
select id from amc_instances where account_id = $1
