-- name: versions_of_workflow
select v.id, v.version, v.fingerprint, v.table_name,
       coalesce((select jsonb_agg(to_jsonb(c) - 'version_id' order by c.position)
                   from result_columns c where c.version_id = v.id), '[]') as columns
  from result_versions v
 where v.workflow_id = $1
 order by v.version

-- name: insert_version
-- Waits for another load that is making the same version, or the same number; then does nothing,
-- and the next look finds what that load committed.
insert into result_versions (workflow_id, version, fingerprint, table_name)
select $1, next.version, $3, format('w%s_v%s', $2::int, next.version)
  from (select coalesce(max(version), 0) + 1 as version
          from result_versions where workflow_id = $1) next
on conflict do nothing
returning id, version, table_name

-- name: insert_column
insert into result_columns
  (version_id, position, source_name, occurrence, column_name, data_type)
values ($1, $2, $3, $4, $5, $6)

-- name: begin_load
-- Lifts the pool's limits for this transaction only; a client that is frozen between two statements
-- is still dropped. Rows count from 1: the table's defaults read both settings `amc`. The name tells the next holder of the execution whose session this is: a
-- downloader that was frozen in its COPY would hold the tables it makes for as long as a load may
-- take. Its lease is over and its commit would be refused, so whoever holds the claim ends it.
-- The versions, each as in versions_of_workflow, save a question of their own.
with held as materialized (
  select exists (select from workflow_executions
                  where id = $1 and fence = $2 and state = 'downloading') as is_held
)
select is_held,
       (select coalesce(jsonb_agg(to_jsonb(v) || jsonb_build_object('columns', coalesce(
                 (select jsonb_agg(to_jsonb(c) - 'version_id' order by c.position)
                    from result_columns c where c.version_id = v.id), '[]'))
               order by v.version), '[]')
          from result_versions v where v.workflow_id = $8) as versions,
       to_regclass('pg_temp.amcflow_row_numbers') is not null as has_numbers,
       setval(to_regclass('pg_temp.amcflow_row_numbers'), 1, false),
       set_config('amc.e', $7::bigint::text, true),
       set_config('amc.seq', to_regclass('pg_temp.amcflow_row_numbers')::oid::text, true),
       set_config('statement_timeout', $3::text, true), set_config('lock_timeout', $4::text, true),
       set_config('idle_in_transaction_session_timeout', $5::text, true),
       set_config('application_name', $6::text, true),
       case when is_held then (
         select count(pg_terminate_backend(pid)) from pg_stat_activity
          where datname = current_database() and usename = current_user
            and application_name = $6 and pid <> pg_backend_pid()) end as ended
  from held

-- name: make_numbers
-- It lives as long as the session; nothing else uses it.
create temp sequence if not exists amcflow_row_numbers cache 1000

-- name: start_numbers
-- As begin_load does where the sequence is there.
select setval(to_regclass('pg_temp.amcflow_row_numbers'), 1, false),
       set_config('amc.e', $1::bigint::text, true),
       set_config('amc.seq', to_regclass('pg_temp.amcflow_row_numbers')::oid::text, true)

-- name: complete
-- The fence is what a worker that was given up for dead fails on: its rows go with it. From here on
-- the execution's row is locked, and others wait for it: a frozen client is dropped as soon as
-- anywhere else.
with parts as (
  insert into result_parts (execution_id, part, size_bytes, sha256, row_count)
  select $1, p.* from unnest($3::int[], $4::bigint[], $5::bytea[], $6::bigint[]) p
), stored as (
  insert into stored_results
    (execution_id, execution_no, version_id, table_name, positions, replaced_characters)
  values ($1, $7, $8, $9, $10, $11)
)
update workflow_executions
   set state = 'completed', finished_at = clock_timestamp(), lease_owner = null,
       lease_until = null, row_count = $12, size_bytes = $13,
       output_location = coalesce($14, output_location), result_table = $9
 where id = $1 and fence = $2 and state = 'downloading'
returning set_config('idle_in_transaction_session_timeout', '3000', true),
          coalesce((select max(version) from result_versions v
                     where v.workflow_id = workflow_executions.workflow_id), 0)
          <> coalesce((select last_version from result_views v
                        where v.workflow_id = workflow_executions.workflow_id
                          and v.retired_at is null), 0) as is_view_stale

-- name: find_result
select s.execution_id, s.execution_no, s.table_name, s.replaced_characters, s.dropped_at,
       e.row_count, e.size_bytes,
       coalesce((select jsonb_agg(to_jsonb(c) - 'version_id' order by p.place)
                   from unnest(s.positions) with ordinality p (position, place)
                   join result_columns c
                     on c.version_id = s.version_id and c.position = p.position), '[]') as columns
  from stored_results s join workflow_executions e on e.id = s.execution_id
 where s.execution_id = $1

-- name: mark_dropped
update stored_results set dropped_at = clock_timestamp()
 where execution_id = $1 and dropped_at is null
returning table_name, execution_no

-- name: forget_table
update workflow_executions set result_table = null where id = $1

-- name: limit_lock_wait
-- For DROP, behind which every new reader would have to wait.
select set_config('lock_timeout', '2s', true)

-- name: allow_long_delete
select set_config('statement_timeout', '10min', true)
