"""Where each execution's rows stand, and which view shows a workflow's results."""

from alembic import op

revision = "0010"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = [
    """
    alter table result_columns
      add column occurrence int not null default 1 check (occurrence > 0)
    """,
    (
        "comment on column result_columns.occurrence is "
        "'1, unless the header of the file says the same name again.'"
    ),
    """
    create table stored_results (
      execution_id uuid primary key,
      execution_no bigint not null unique,
      version_id int not null references result_versions,
      table_name text not null,
      positions int[] not null,
      replaced_characters boolean not null default false,
      stored_at timestamptz not null default clock_timestamp(),
      dropped_at timestamptz
    )
    """,
    (
        "comment on column stored_results.positions is "
        "'The columns of the version in the order of this result''s own header.'"
    ),
    (
        "comment on column stored_results.replaced_characters is "
        "'Bytes that are no UTF-8, or NUL, were loaded as the replacement character.'"
    ),
    (
        "comment on column stored_results.dropped_at is "
        "'Set by retention: the rows are gone, the execution is still known.'"
    ),
    """
    create table result_views (
      view_name text primary key,
      workflow_id uuid not null references workflows,
      definition text not null,
      last_version int not null,
      retired_at timestamptz
    )
    """,
    (
        "comment on table result_views is 'The view people read for each workflow. A retired one "
        "stays as it was, because somebody''s own view hangs on it.'"
    ),
    (
        "create unique index result_views_current on result_views (workflow_id) "
        "where retired_at is null"
    ),
]

DOWN = [
    "drop table result_views",
    "drop table stored_results",
    "alter table result_columns drop column occurrence",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
