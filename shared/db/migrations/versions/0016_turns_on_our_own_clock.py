"""A turn is told with the clock it was read off, and begins late enough for its answer to be here.

Told as seconds from now, a turn lost of its 30 ms whatever the answer took: on a busy machine all
of them. With the moments themselves a process knows its turn as exactly as its quickest answer.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

UP = [
    """
    create function take_permit_v2(p_instance int, p_ahead interval, p_lead interval)
    returns table (granted boolean, at float8, told_at float8) language plpgsql as $$
    declare r rate_budgets; t timestamptz; slot timestamptz;
    begin
      perform set_config('synchronous_commit', 'off', true);
      select * into strict r from rate_budgets where instance_id = p_instance for no key update;
      t := clock_timestamp();
      if r.next_free_at > t + interval '120 s' then r.next_free_at := t + 10 * r.step; end if;
      slot := greatest(r.next_free_at, r.paused_until, t + p_lead);
      if slot > t + p_ahead then
        return query select false, extract(epoch from slot - p_ahead)::float8,
                            extract(epoch from t)::float8;
        return;
      end if;
      update rate_budgets set next_free_at = slot + r.step where instance_id = p_instance;
      return query select true, extract(epoch from slot)::float8, extract(epoch from t)::float8;
    end $$
    """,
    (
        "comment on function take_permit_v2 is 'GCRA with burst 1 on the database''s clock, read "
        "after the row lock: told_at. granted: the turn begins at `at`, and never before p_lead has "
        "passed. Not granted: nothing was booked; ask again then. Nobody books more than 60 s "
        "ahead, so a turn twice as far off means that the clock was set back.'"
    ),
]

DOWN = ["drop function take_permit_v2"]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
