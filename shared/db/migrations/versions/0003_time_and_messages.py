"""What moves work along: timers, the outbox, and the books kept beside it."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UP = [
    """
    create table timers (
      kind text not null,
      key text not null,
      due_at timestamptz not null,
      command jsonb not null default '{}',
      primary key (kind, key)
    ) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01)
    """,
    (
        "comment on table timers is 'Everything that must happen later. Firing moves due_at on by a "
        "guard instead of deleting, so a timer is its own rescuer; the handler re-arms or disarms.'"
    ),
    "create index timers_due on timers (kind, due_at)",
    """
    create table outbox (
      id bigint generated always as identity primary key,
      message_id uuid not null default gen_random_uuid(),
      message_type text not null,
      body jsonb not null,
      correlation_id text,
      headers jsonb not null default '{}',
      claim uuid default nullif(current_setting('amcflow.relay', true), '')::uuid,
      available_at timestamptz not null default clock_timestamp() + interval '5 s'
    ) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0,
            autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0)
    """,
    (
        "comment on table outbox is 'Messages written with the rows they speak of. Born leased to the "
        "process that wrote them, which publishes after its commit; others take leases that ran out.'"
    ),
    "create index outbox_available on outbox (available_at)",
    "create index outbox_claim on outbox (claim, id)",
    """
    create table dead_letters (
      id bigint generated always as identity primary key,
      queue text not null,
      message_id text not null,
      message_type text,
      body text not null,
      headers jsonb not null default '{}',
      correlation_id text,
      reason text not null,
      parked_at timestamptz not null default clock_timestamp(),
      settled_at timestamptz,
      settlement text check (settlement in ('redriven', 'discarded')),
      unique (queue, message_id)
    )
    """,
    """
    create table idempotency_keys (
      owner text not null,
      scope text not null,
      key text not null,
      request_sha256 bytea not null,
      response jsonb not null,
      created_at timestamptz not null default clock_timestamp(),
      primary key (owner, scope, key)
    )
    """,
    """
    create table amc_calls (
      id bigint generated always as identity primary key,
      at timestamptz not null,
      caller text not null,
      call text not null,
      instance_id int,
      method text not null,
      path text not null,
      status int,
      request_id text,
      duration_ms int not null,
      error_code text
    )
    """,
    "create index amc_calls_of_instance on amc_calls (instance_id, id)",
    """
    create table event_positions (
      reader text primary key,
      last_id bigint not null
    )
    """,
    "create schema results",
    """
    create table result_versions (
      id int generated always as identity primary key,
      workflow_id uuid not null references workflows,
      version int not null,
      fingerprint text not null,
      table_name text not null unique,
      created_at timestamptz not null default clock_timestamp(),
      unique (workflow_id, version),
      unique (workflow_id, fingerprint)
    )
    """,
    """
    create table result_columns (
      version_id int not null references result_versions on delete cascade,
      position int not null,
      source_name text not null,
      column_name text not null,
      data_type text not null,
      primary key (version_id, position)
    )
    """,
    (
        "comment on column result_columns.data_type is "
        "'A Postgres type, or empty for a column that has had no value yet (stored as text).'"
    ),
    """
    create table result_parts (
      execution_id uuid not null,
      part int not null,
      size_bytes bigint not null,
      sha256 bytea not null,
      row_count bigint not null,
      primary key (execution_id, part)
    )
    """,
]

DOWN = [
    "drop table result_parts",
    "drop table result_columns",
    "drop table result_versions",
    "drop schema results cascade",
    "drop table event_positions",
    "drop table amc_calls",
    "drop table idempotency_keys",
    "drop table dead_letters",
    "drop table outbox",
    "drop table timers",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
