"""What a load tells the defaults of its table is read once a COPY, no more once a row."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Immutable on purpose, though a setting is read: COPY plans the defaults of its table anew each
# time, and what is immutable is then a constant. Loads are the only ones that use the defaults.
UP = [
    """
    create function loading_execution_v1() returns bigint language sql immutable as $$
      select current_setting('amc.e')::bigint
    $$
    """,
    """
    create function loading_numbers_v1() returns regclass language sql immutable as $$
      select current_setting('amc.seq')::oid::regclass
    $$
    """,
]

DOWN = [
    "drop function loading_numbers_v1()",
    "drop function loading_execution_v1()",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
