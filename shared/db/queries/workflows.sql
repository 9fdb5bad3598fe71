-- Saved SQL. The two tables point at each other, checked at commit.

-- name: create_workflow
with definition as (
  insert into workflow_definitions (amc_workflow_id, workflow_id, sql_query, parameters)
  values ($5, $1, $6, $7)
  returning sql_query, parameters
), workflow as (
  insert into workflows (id, name, description, created_by, amc_workflow_id)
  values ($1, $2, $3, $4, $5)
  returning *
)
select w.id, w.name, w.description, w.amc_workflow_id, w.version, d.sql_query, d.parameters,
       w.created_by, w.created_at, w.updated_at
  from workflow w cross join definition d

-- name: get_workflow
select w.id, w.name, w.description, w.amc_workflow_id, w.version, d.sql_query, d.parameters,
       w.created_by, w.created_at, w.updated_at
  from workflows w
  join workflow_definitions d on d.amc_workflow_id = w.amc_workflow_id
 where w.id = $1 and w.deleted_at is null

-- name: page_of_workflows
-- Without the SQL texts: a page of the longest ones would be 25 MB.
select w.id, w.name, w.description, w.amc_workflow_id, w.version, null::text as sql_query,
       d.parameters, w.created_by, w.created_at, w.updated_at
  from workflows w
  join workflow_definitions d on d.amc_workflow_id = w.amc_workflow_id
 where w.id < $1 and w.deleted_at is null
 order by w.id desc
 limit $2

-- name: store_definition
-- A workflow that returns to an earlier text finds its earlier definition.
insert into workflow_definitions (workflow_id, amc_workflow_id, sql_query, parameters)
values ($1, $2, $3, $4)
on conflict (amc_workflow_id) do nothing

-- name: update_workflow
-- Compares what its editor has seen, so that of two editors the slower one notices.
with changed as (
  update workflows
     set name = $3, description = $4, amc_workflow_id = $5, updated_at = clock_timestamp(),
         version = version + (amc_workflow_id <> $5)::int
   where id = $1 and updated_at = $2 and deleted_at is null
  returning *
)
select w.id, w.name, w.description, w.amc_workflow_id, w.version, d.sql_query, d.parameters,
       w.created_by, w.created_at, w.updated_at
  from changed w
  join workflow_definitions d on d.amc_workflow_id = w.amc_workflow_id

-- name: delete_workflow
update workflows set deleted_at = clock_timestamp(), updated_at = clock_timestamp()
 where id = $1 and deleted_at is null
returning id

-- name: definitions
select w.id, w.amc_workflow_id, d.parameters
  from workflows w
  join workflow_definitions d on d.amc_workflow_id = w.amc_workflow_id
 where w.id = any($1::uuid[]) and w.deleted_at is null
