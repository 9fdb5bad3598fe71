"""Whose turn it is to tell events: with several schedulers each told every event."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

UP = [
    "alter table event_positions add column held_by uuid, add column held_until timestamptz",
    (
        "comment on column event_positions.held_until is 'Until then one process alone reads on. It "
        "saves work and guards nothing: two that read at once tell events twice.'"
    ),
]

DOWN = ["alter table event_positions drop column held_by, drop column held_until"]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
