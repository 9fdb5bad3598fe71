-- name: limit_lock_wait
-- A change that waits longer would make all new readers wait behind it.
select set_config('lock_timeout', '2s', true)

-- name: one_at_a_time
-- Two workflows of the same name would take the same free name for their views.
select pg_advisory_xact_lock(hashtextextended('amcflow.result_views', 0))

-- name: is_view_stale
select coalesce((select max(version) from result_versions where workflow_id = $1), 0)
       <> coalesce((select last_version from result_views
                     where workflow_id = $1 and retired_at is null), 0)

-- name: stale_views
select v.workflow_id
  from (select workflow_id, max(version) as last_version
          from result_versions group by workflow_id) v
  left join result_views r on r.workflow_id = v.workflow_id and r.retired_at is null
 where r.last_version is distinct from v.last_version

-- name: current_view
select view_name, definition from result_views
 where workflow_id = $1 and retired_at is null

-- name: workflow_name
select name from workflows where id = $1

-- name: names_in_results
select lower(c.relname) as name from pg_class c
 where c.relnamespace = 'results'::regnamespace and c.relkind in ('r', 'v', 'm', 'i', 'S')

-- name: record_view
insert into result_views (view_name, workflow_id, definition, last_version)
values ($1, $2, $3, $4)

-- name: update_view
update result_views set definition = $2, last_version = $3 where view_name = $1

-- name: retire_view
update result_views set retired_at = clock_timestamp() where view_name = $1

-- name: grants
select a.privilege_type, a.is_grantable,
       case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee
  from pg_class c, aclexplode(c.relacl) a
 where c.relname = $1 and c.relnamespace = 'results'::regnamespace
   and c.relowner <> a.grantee
