-- Figures. Old history is kept out by the id, which is ordered by time.

-- name: count_by_state
select state, count(*)::int as n from workflow_executions group by state

-- name: finished_last_day
select e.state, count(*)::int as n
  from workflow_executions e
 where e.state in ('completed', 'failed', 'cancelled') and e.id >= $1
   and e.finished_at > clock_timestamp() - interval '1 day'
 group by e.state

-- name: load_by_instance
select i.amc_instance_id as instance_id, i.max_concurrent_executions,
       coalesce(b.n, 0)::int as in_use, coalesce(q.n, 0)::int as queued,
       coalesce(extract(epoch from clock_timestamp() - q.oldest), 0)::float8
         as oldest_queued_seconds,
       i.paused_at is not null as paused
  from amc_instances i
  left join (select instance_id, count(*) as n from workflow_executions
              where state in ('submitting', 'pending', 'running') group by instance_id) b
         on b.instance_id = i.id
  left join (select instance_id, count(*) as n, min(created_at) as oldest
               from workflow_executions where state = 'queued' group by instance_id) q
         on q.instance_id = i.id
 order by i.id

-- name: other_figures
select coalesce((select sum(refresh_count) from credentials), 0)::int as token_refreshes,
       (select count(*) from credentials where status = 'broken')::int as broken_credentials,
       (select count(*) from dead_letters where settled_at is null)::int as parked_messages,
       o.messages as outbox_messages, o.oldest_seconds as outbox_oldest_seconds
  from (
    -- Nobody's and not due: a command that waits for its time. It is not late.
    select count(*)::int as messages,
           coalesce(extract(epoch from clock_timestamp() - min(available_at
             - case when claim is null then interval '0' else interval '5 s' end)), 0)::float8
             as oldest_seconds
      from outbox where claim is not null or available_at <= clock_timestamp()) o

-- name: queue_waits
select percentile_cont(0.5) within group (order by waited) as queue_wait_p50_seconds,
       percentile_cont(0.95) within group (order by waited) as queue_wait_p95_seconds
  from (select extract(epoch from admitted_at - created_at)::float8 as waited
          from workflow_executions
         where admitted_at > clock_timestamp() - interval '1 hour' and id >= $1
         limit 10000) recent
