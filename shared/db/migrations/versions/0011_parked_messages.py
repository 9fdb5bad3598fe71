"""What an operator did with a parked message: sent it again, or discarded it, and when."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UP = [
    """
    alter table dead_letters
      add column execution_id uuid,
      add column reply_to text,
      add column parked_count int not null default 1,
      add column last_parked_at timestamptz not null default clock_timestamp(),
      add column redrive_id uuid
    """,
    "update dead_letters set last_parked_at = parked_at",
    "comment on column dead_letters.execution_id is 'The execution it was about, if it says so.'",
    (
        "comment on column dead_letters.redrive_id is 'The latest time it was sent again; the "
        "message carries it, so that one that is parked once more is known again.'"
    ),
    "create index dead_letters_open on dead_letters (id) where settled_at is null",
    "alter table outbox add column raw_body text",
    (
        "comment on column outbox.raw_body is 'What to publish instead of body: a message of others, "
        "to the letter. Going through JSON would change its numbers.'"
    ),
    """
    create table dead_letter_events (
      id bigint generated always as identity primary key,
      letter_id bigint not null references dead_letters on delete cascade,
      at timestamptz not null default clock_timestamp(),
      kind text not null check (kind in ('parked', 'redriven', 'discarded')),
      by text,
      detail text,
      redrive_id uuid unique
    )
    """,
    "create index dead_letter_events_of_letter on dead_letter_events (letter_id, id)",
    """
    insert into dead_letter_events (letter_id, at, kind, detail)
    select id, parked_at, 'parked', reason from dead_letters
    """,
    """
    create function record_parked_v1(p_queue text, p_message_id text, p_message_type text,
      p_body text, p_headers jsonb, p_correlation_id text, p_reason text, p_execution uuid,
      p_reply_to text, p_redrive uuid) returns boolean language plpgsql as $$
    declare l record; made bigint;
    begin
      select d.id, d.redrive_id, d.settlement into l
        from dead_letter_events v join dead_letters d on d.id = v.letter_id
       where v.redrive_id = p_redrive and d.queue = p_queue for update of d;
      if found then
        if l.redrive_id <> p_redrive then return false; end if;
        if l.settlement is distinct from 'redriven' then return l.settlement is null; end if;
        update dead_letters
           set settled_at = null, settlement = null, parked_count = parked_count + 1,
               last_parked_at = clock_timestamp(), reason = p_reason, headers = p_headers
         where id = l.id;
        insert into dead_letter_events (letter_id, kind, detail) values (l.id, 'parked', p_reason);
        return true;
      end if;
      insert into dead_letters (queue, message_id, message_type, body, headers, correlation_id,
                                reason, execution_id, reply_to)
      values (p_queue, p_message_id, p_message_type, p_body, p_headers, p_correlation_id, p_reason,
              p_execution, p_reply_to)
      on conflict (queue, message_id) do nothing returning id into made;
      if made is not null then
        insert into dead_letter_events (letter_id, kind, detail) values (made, 'parked', p_reason);
        return true;
      end if;
      select d.id, d.body, d.settled_at into l from dead_letters d
       where d.queue = p_queue and d.message_id = p_message_id;
      if l.body = p_body then return l.settled_at is null; end if;
      return record_parked_v1(p_queue, p_message_id || ' ' || md5(p_body), p_message_type, p_body,
        p_headers, p_correlation_id, p_reason, p_execution, p_reply_to, p_redrive);
    end $$
    """,
    (
        "comment on function record_parked_v1 is 'Keeps a parked message once, however often it is "
        "delivered; one that was sent again and came back is opened again. True while it is open. "
        "Other programs may use one id for two messages: the second is kept under a longer one.'"
    ),
    """
    create function redrive_parked_v1(p_letter bigint, p_by text, p_queues text[]) returns text
    language plpgsql as $$
    declare l dead_letters; mark uuid := gen_random_uuid();
    begin
      select * into l from dead_letters where id = p_letter for no key update;
      if not found then return null; end if;
      if l.settled_at is not null then return l.settlement; end if;
      if l.queue <> all(p_queues) then return 'unknown_queue'; end if;
      if exists (select from workflow_executions where id = l.execution_id
                    and state in ('completed', 'failed', 'cancelled')) then
        return 'ended';
      end if;
      if strpos(l.body, chr(65533)) > 0 then return 'unreadable'; end if;
      begin
        perform l.body::jsonb;
      exception when data_exception or program_limit_exceeded then
        return 'unreadable';
      end;
      insert into outbox (message_id, message_type, body, raw_body, correlation_id, headers)
      values (case when l.message_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                   then l.message_id::uuid
                   else md5(l.queue || ' ' || l.message_id)::uuid end,
              coalesce(l.message_type, ''), '{}', l.body, l.correlation_id,
              coalesce((select jsonb_object_agg(key, value) from jsonb_each(l.headers)
                         where (key not like 'x-%' or key = 'x-owner')
                           and (jsonb_typeof(value) in ('string', 'boolean')
                                or value::text ~ '^-?[0-9]{1,18}$')), '{}')
              || jsonb_build_object('x-queue', l.queue, 'amcflow-redrive', mark)
              || case when l.reply_to is null then '{}'
                      else jsonb_build_object('x-reply-to', l.reply_to) end);
      update dead_letters
         set settled_at = clock_timestamp(), settlement = 'redriven', redrive_id = mark
       where id = p_letter;
      insert into dead_letter_events (letter_id, kind, by, redrive_id)
      values (p_letter, 'redriven', p_by, mark);
      return 'sent';
    end $$
    """,
    (
        "comment on function redrive_parked_v1 is 'Sends a parked message again, straight into its "
        "queue: sent. Nothing is sent otherwise: redriven or discarded, if somebody was first; "
        "unknown_queue, if it names none of p_queues; ended, if the execution it is about has; "
        "unreadable, if its body is no JSON; null, if there is no such message. Headers of the broker and fractions stay behind: a number that AMQP "
        "cannot hold would end whoever publishes it.'"
    ),
    """
    create function discard_parked_v1(p_letter bigint, p_by text, p_reason text) returns text
    language plpgsql as $$
    declare was text;
    begin
      select coalesce(settlement, 'open') into was from dead_letters where id = p_letter
         for no key update;
      if was is distinct from 'open' then return was; end if;
      update dead_letters set settled_at = clock_timestamp(), settlement = 'discarded'
       where id = p_letter;
      insert into dead_letter_events (letter_id, kind, by, detail)
      values (p_letter, 'discarded', p_by, p_reason);
      return 'done';
    end $$
    """,
]

DOWN = [
    "drop function discard_parked_v1",
    "drop function redrive_parked_v1",
    "drop function record_parked_v1",
    "drop table dead_letter_events",
    "alter table outbox drop column raw_body",
    "drop index dead_letters_open",
    """
    alter table dead_letters
      drop column redrive_id, drop column last_parked_at, drop column parked_count,
      drop column reply_to, drop column execution_id
    """,
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
