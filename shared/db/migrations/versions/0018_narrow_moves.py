"""A claim and an intent touch no index, and a move that changes no state writes no history.

The lease, the intent and the settle time were in indexes or in their conditions, so every claim
and every intent wrote a new entry into each index of the widest table. What is being submitted
or downloaded is bounded by the slots, so the rescuer reads through all of it instead.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# rescue: whose worker, message or settle timer is gone. Nothing but the state and the id may stand
# here: Postgres keeps a row's entries (HOT) only if no column of any index or condition changes.
IN_HAND = [
    # One that a failed run left behind is invalid, and would never be used.
    "drop index concurrently if exists executions_in_hand",
    (
        "create index concurrently executions_in_hand on workflow_executions (id) "
        "where state in ('submitting', 'downloading')"
    ),
]
UP = [
    "drop index executions_leased",
    "drop index executions_in_doubt",
    "drop trigger executions_record_moved on workflow_executions",
    "drop trigger executions_guard on workflow_executions",
    "drop function record_moved_v1()",
    """
    create function record_moved_v2() returns trigger language plpgsql as $$
    begin
      insert into execution_events (execution_id, from_state, to_state, error_code, detail)
      values (new.id, old.state, new.state, new.error_code, new.error_message);
      return null;
    end $$
    """,
    (
        "create trigger executions_record_moved after update on workflow_executions "
        "for each row when (old.state is distinct from new.state) "
        "execute function record_moved_v2()"
    ),
    # The conditions are all that the guard can object to.
    (
        "create trigger executions_guard before update on workflow_executions "
        "for each row when (old.state is distinct from new.state "
        "or old.amc_execution_id is distinct from new.amc_execution_id or new.fence < old.fence) "
        "execute function guard_execution_v1()"
    ),
]

DOWN = [
    "drop trigger executions_guard on workflow_executions",
    "drop trigger executions_record_moved on workflow_executions",
    "drop function record_moved_v2()",
    """
    create function record_moved_v1() returns trigger language plpgsql as $$
    begin
      insert into execution_events (execution_id, from_state, to_state, error_code, detail)
      select n.id, o.state, n.state, n.error_code, n.error_message
        from after_row n join before_row o on o.id = n.id
       where n.state <> o.state;
      return null;
    end $$
    """,
    (
        "create trigger executions_record_moved after update on workflow_executions "
        "referencing old table as before_row new table as after_row "
        "for each statement execute function record_moved_v1()"
    ),
    (
        "create trigger executions_guard before update on workflow_executions "
        "for each row execute function guard_execution_v1()"
    ),
    (
        "create index executions_leased on workflow_executions (lease_until) "
        "where state in ('submitting', 'downloading') and intent_at is null"
    ),
    (
        "create index executions_in_doubt on workflow_executions (settle_at) "
        "where state = 'submitting' and intent_at is not null"
    ),
    "drop index executions_in_hand",
]


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for statement in IN_HAND:
            op.execute(statement)
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
