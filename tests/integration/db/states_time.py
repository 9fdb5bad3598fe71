"""Between examples everything goes; within one, time passes for what nobody holds."""

# Small tables are emptied faster by DELETE than by TRUNCATE.
EMPTIED = (
    "stored_results", "workflow_executions", "execution_events", "submission_attempts",
    "stray_executions", "timers", "result_parts",
    "outbox", "idempotency_keys", "amc_workflows", "instance_gates", "account_gates",
    "rate_budgets", "amc_instances", "amc_accounts", "credentials",
)  # fmt: skip
EMPTY = "; ".join(f"delete from {table}" for table in EMPTIED)
# Time passes for what nobody holds: a lease, a settle time, a pause.
LEASE_OVER = """
update workflow_executions set lease_until = clock_timestamp() - interval '1 s'
 where id = any(array(select id from workflow_executions where id = $1 and lease_until is not null
                        for update skip locked))
returning id
"""
SETTLED = """
update workflow_executions
   set settle_at = clock_timestamp() - interval '1 s',
       lease_until = clock_timestamp() - interval '1 s'
 where id = any(array(select id from workflow_executions where id = $1 and settle_at is not null
                        for update skip locked))
returning id
"""
NO_LONGER_FULL = """
update instance_gates set admit_after = '-infinity'
 where instance_id = any(array(select instance_id from instance_gates where instance_id = $1
                                 and admit_after > clock_timestamp() for update skip locked))
returning instance_id
"""
LOOK_OVER = """
update instance_gates set poll_lease_until = '-infinity'
 where instance_id = any(array(select instance_id from instance_gates where instance_id = $1
                                 for update skip locked))
returning instance_id
"""
