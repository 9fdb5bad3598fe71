"""Who may call AMC, for which instances, with what SQL.

Limits and names stand in the parent rows; whatever moves often stands in gate and budget rows
that no foreign key references, because the key check of an INSERT locks its parent.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UP = [
    """
    create table service_tokens (
      id uuid primary key default gen_random_uuid(),
      name text not null unique check (name <> ''),
      token_sha256 bytea not null unique,
      created_at timestamptz not null default clock_timestamp(),
      revoked_at timestamptz
    )
    """,
    """
    create table credentials (
      id uuid primary key,
      name text not null unique check (name <> ''),
      region text not null check (region in ('NA', 'EU', 'FE')),
      refresh_token_ciphertext bytea not null,
      refresh_token_key_id text not null,
      access_token_ciphertext bytea,
      access_token_key_id text,
      access_token_expires_at timestamptz,
      version bigint not null default 0,
      status text not null default 'new' check (status in ('new', 'active', 'broken')),
      broken_reason text,
      lease_until timestamptz not null default '-infinity',
      refresh_requested_at timestamptz not null default '-infinity',
      refreshed_at timestamptz,
      refresh_count bigint not null default 0,
      created_by text not null,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp(),
      constraint credentials_broken_iff_reason
        check ((status = 'broken') = (broken_reason is not null)),
      constraint credentials_access_token_whole
        check (num_nulls(access_token_ciphertext, access_token_key_id, access_token_expires_at)
               in (0, 3))
    )
    """,
    (
        "comment on column credentials.version is 'Grows with every stored token; a late writer''s "
        "compare-and-set fails on it.'"
    ),
    (
        "comment on column credentials.refresh_token_key_id is "
        "'Which key opens the ciphertext; a sealing key until token_refresher has re-encrypted it.'"
    ),
    """
    create table amc_accounts (
      id int generated always as identity primary key,
      public_id uuid not null unique,
      entity_id text not null check (entity_id <> ''),
      marketplace_id text not null check (marketplace_id <> ''),
      name text not null,
      credential_id uuid references credentials,
      max_concurrent_executions int not null default 200 check (max_concurrent_executions > 0),
      created_at timestamptz not null default clock_timestamp(),
      unique (entity_id, marketplace_id)
    )
    """,
    """
    create table account_gates (
      account_id int primary key
    ) with (fillfactor = 50)
    """,
    (
        "comment on table account_gates is 'One row per account, locked by everything that takes or "
        "frees a slot; nothing references it.'"
    ),
    """
    create table amc_instances (
      id int generated always as identity primary key,
      amc_instance_id text not null unique check (amc_instance_id <> ''),
      account_id int not null references amc_accounts,
      name text not null,
      region text not null default 'NA' check (region in ('NA', 'EU', 'FE')),
      instance_type text not null default 'STANDARD'
        check (instance_type in ('STANDARD', 'SANDBOX')),
      max_concurrent_executions int not null default 10 check (max_concurrent_executions > 0),
      max_requests_per_second int not null default 10
        check (max_requests_per_second between 1 and 100000),
      daily_execution_quota int check (daily_execution_quota > 0),
      quota_time_zone text not null default 'UTC',
      paused_at timestamptz,
      paused_by text,
      pause_reason text,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp(),
      constraint amc_instances_paused_by_iff_paused
        check ((paused_at is null) = (paused_by is null))
    )
    """,
    """
    create table instance_gates (
      instance_id int primary key,
      account_id int not null,
      served bigint not null default 0,
      admit_after timestamptz not null default '-infinity',
      poll_lease_until timestamptz not null default '-infinity',
      poll_fence bigint not null default 0
    ) with (fillfactor = 50)
    """,
    (
        "comment on column instance_gates.served is 'When it was last given a slot, as a number that "
        "only grows: the account chooses its least recently served instance.'"
    ),
    (
        "comment on column instance_gates.admit_after is 'AMC said that it takes no more executions; "
        "none is admitted before.'"
    ),
    "create sequence served_order",
    """
    create table rate_budgets (
      instance_id int primary key,
      next_free_at timestamptz not null default '-infinity',
      paused_until timestamptz not null default '-infinity',
      step interval not null check (step > interval '0')
    ) with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0,
            autovacuum_vacuum_threshold = 200)
    """,
    (
        "comment on column rate_budgets.step is 'Distance between two permits: 1 s over 94 % of the "
        "limit, so that permits of up to 30 ms of age, and as much again on the way, keep any second within the limit.'"
    ),
    """
    create table workflows (
      id uuid primary key,
      no int generated always as identity unique,
      name text not null check (name <> ''),
      description text not null default '',
      amc_workflow_id text not null,
      version int not null default 1,
      created_by text not null,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp(),
      deleted_at timestamptz
    )
    """,
    """
    create table workflow_definitions (
      amc_workflow_id text primary key,
      workflow_id uuid not null references workflows deferrable initially deferred,
      sql_query text not null check (sql_query <> ''),
      parameters jsonb not null default '[]',
      created_at timestamptz not null default clock_timestamp()
    )
    """,
    (
        "comment on table workflow_definitions is 'What a workflow said when an execution was "
        "accepted; named by its content, never changed.'"
    ),
    (
        "alter table workflows add constraint workflows_definition_fkey foreign key (amc_workflow_id) "
        "references workflow_definitions deferrable initially deferred"
    ),
    """
    create table amc_workflows (
      instance_id int not null,
      amc_workflow_id text not null,
      created_at timestamptz not null default clock_timestamp(),
      last_used_at timestamptz not null default clock_timestamp(),
      primary key (instance_id, amc_workflow_id)
    )
    """,
    "comment on table amc_workflows is 'Which definitions exist at AMC, by instance.'",
]

DOWN = [
    "drop table amc_workflows",
    "alter table workflows drop constraint workflows_definition_fkey",
    "drop table workflow_definitions",
    "drop table workflows",
    "drop table rate_budgets",
    "drop sequence served_order",
    "drop table instance_gates",
    "drop table amc_instances",
    "drop table account_gates",
    "drop table amc_accounts",
    "drop table credentials",
    "drop table service_tokens",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
