"""Several connections to one real database, each of which may keep its transaction open.

A move that has to wait for a lock is left waiting: the others go on, and whoever lets the lock go
lets the move end. So the interleavings are those of real processes, chosen one step at a time.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count, permutations
from typing import Any
from uuid import UUID

import asyncpg
from asyncpg.transaction import Transaction

from shared.db.pool import Database
from shared.db.translate import database_errors
from tests.integration.builders import MadeInstance, MadeWorkflow
from tests.integration.db.states_model import BUSY, STALE, Model, Move, State

_STATES = """
select id, instance_id, state, fence, lease_owner is not null as is_owned,
       lease_until is not null as has_lease,
       coalesce(lease_until <= clock_timestamp(), false) as is_expired,
       intent_at is not null as has_intent,
       coalesce(settle_at <= clock_timestamp(), false) as is_settled,
       cancel_requested_at is not null as is_cancel_asked, amc_execution_id
  from workflow_executions
"""
# In the order of admission.
_LINE = """
select id from workflow_executions where instance_id = $1 and state = 'queued'
 order by priority desc, turn, id
"""
_SLOTS = """
select i.id, i.account_id, i.max_concurrent_executions as instance_limit,
       a.max_concurrent_executions as account_limit
  from amc_instances i join amc_accounts a on a.id = i.account_id
"""
_BLOCKED = "select cardinality(pg_blocking_pids($1)) > 0"
_LOOK_SECONDS = 0.002
_PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class OnConnection(Database):
    """The repositories' database on one connection, inside whatever transaction it has open."""

    own: asyncpg.Connection | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:  # type: ignore[override]  # no pool's
        with database_errors():
            assert self.own is not None
            yield self.own


@dataclass(eq=False)
class Actor:
    """One connection: idle, waiting for a lock in the middle of a move, or yet to commit one."""

    number: int
    database: OnConnection
    pid: int
    move: Move | None = None
    outcome: object = None
    began_at: int = 0
    ended_at: int = 0
    transaction: Transaction | None = None
    task: "asyncio.Task[None] | None" = None

    @property
    def is_idle(self) -> bool:
        return self.move is None

    @property
    def is_waiting(self) -> bool:
        return self.task is not None

    @property
    def is_open(self) -> bool:
        """Done with its move and not committed."""
        return self.move is not None and self.task is None


async def own_connection(
    url: str, pool: Database, stack: AsyncExitStack
) -> tuple[OnConnection, int]:
    """A connection on which nothing runs out of time, and its process id at the server."""
    own = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
    stack.push_async_callback(own.close)
    for name in ("json", "jsonb"):
        await own.set_type_codec(name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    database = OnConnection(pool.pool, pool.relay_id, pool.acquire_timeout, own)
    return database, await own.fetchval("select pg_backend_pid()")


@dataclass(eq=False)
class World:
    """The database, its actors, and the model that must describe what is committed."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    observer: Database
    actors: list[Actor]
    instances: list[MadeInstance]
    workflow: MadeWorkflow
    model: Model = field(default_factory=Model)
    used: dict[int, int] = field(default_factory=dict)
    """Slots taken at the last look, by instance and (negative) account."""
    ticks: "count[int]" = field(default_factory=lambda: count(1))
    finished: list[Actor] = field(default_factory=list)
    is_relimited: bool = False
    """A limit was changed in this step, and others may have been admitted under either."""
    is_blurred: bool = False
    """The rescuer was part of this step: it passes over what somebody holds."""
    tally: Counter[str] = field(default_factory=Counter)
    """What happened: moves by name and whether they moved anything, waits for locks."""

    # --- steps ------------------------------------------------------------------------------

    def start(self, actor: Actor, move: Move, *, held: bool) -> None:
        """Make a move; if `held` its transaction stays open."""
        self.run(self._start(actor, move, held=held))

    def end(self, actor: Actor, *, commits: bool) -> None:
        """End an open transaction; whoever waited for it goes on."""
        self.run(self._end(actor, commits=commits))

    async def _start(self, actor: Actor, move: Move, *, held: bool) -> None:
        is_quiet = all(other.is_idle for other in self.actors)
        lines = {each.key: await self._line(each.key) for each in self.instances}
        actor.move, actor.began_at = move, next(self.ticks)
        self.is_blurred, self.is_relimited = not move.is_exact, move.changes_limits
        if held:
            assert actor.database.own is not None
            actor.transaction = actor.database.own.transaction()
            await actor.transaction.start()
        actor.task = asyncio.ensure_future(self._make(actor))
        await self._compare(await self._settle(), lines if is_quiet and not held else None)

    async def _end(self, actor: Actor, *, commits: bool) -> None:
        transaction, move = actor.transaction, actor.move
        assert transaction is not None
        assert move is not None
        self.is_blurred, self.is_relimited = not move.is_exact, move.changes_limits
        if commits:
            await transaction.commit()
            self._apply(self.model, actor)
        else:
            await transaction.rollback()
        actor.transaction = actor.move = None
        await self._compare(await self._settle(), None)

    async def _make(self, actor: Actor) -> None:
        assert actor.move is not None
        actor.outcome = await actor.move.call(actor.database)
        actor.ended_at = next(self.ticks)
        self.finished.append(actor)

    async def _settle(self) -> list[Model]:
        """Until every move is done or waits for somebody's lock; what may then be committed."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not await self._is_settled():
                pass
        return self._accept_outcomes()

    async def _is_settled(self) -> bool:
        running = [actor for actor in self.actors if actor.task is not None]
        tasks = [actor.task for actor in running if actor.task is not None]
        if not tasks:
            return True
        done, _ = await asyncio.wait(tasks, timeout=_LOOK_SECONDS)
        for actor in running:
            if actor.task in done:
                actor.task.result()
                actor.task = None
        if done:
            return False
        is_settled = await self._all_wait(running)
        self.tally["waits for a lock"] += len(running) if is_settled else 0
        return is_settled

    async def _all_wait(self, actors: list[Actor]) -> bool:
        return all([await self.observer.fetchval(_BLOCKED, actor.pid) for actor in actors])

    async def close(self) -> None:
        """End whatever is open; a move that waits goes on once nobody holds anything, and ends."""
        for actor in self.actors:
            if actor.is_open and actor.transaction is not None:
                await actor.transaction.rollback()
        waiting = [actor for actor in self.actors if actor.task is not None]
        for actor in waiting:
            await self.observer.fetchval("select pg_cancel_backend($1)", actor.pid)
        await asyncio.gather(*(a.task for a in waiting if a.task), return_exceptions=True)
        for actor in waiting:
            if actor.transaction is not None:
                await actor.transaction.rollback()

    # --- the model --------------------------------------------------------------------------

    def _accept_outcomes(self) -> list[Model]:
        """What has just ended must be explained by the model in some order of commits.

        Several orders may explain it; which one it was, only the database knows.
        """
        finished, self.finished = self.finished, []
        possible = [
            model
            for order in permutations(finished)
            for model in self._explained(self.model, order)
        ]
        told = [(a.move and a.move.name, a.outcome) for a in finished]
        expected = [a.move and a.move.allowed(self.model) for a in finished]
        assert possible, f"the model does not allow {told}: {expected}"
        for actor in finished:
            assert actor.move is not None
            self.is_blurred = self.is_blurred or not actor.move.is_exact
            self.is_relimited = self.is_relimited or actor.move.changes_limits
            is_refused = actor.outcome in (STALE, False)
            self.tally[f"{actor.move.name}, {'refused' if is_refused else 'done'}"] += 1
            if actor.transaction is None:
                actor.move = None
        return possible

    def _explained(self, model: Model, order: Sequence[Actor]) -> Iterator[Model]:
        """The model after these, in this order; nothing if it does not allow their answers."""
        if not order:
            yield model
            return
        move = order[0].move
        assert move is not None
        for before in (model, model.admitted(move.subject)):
            if before is None or not _is_allowed(order[0].outcome, move.allowed(before)):
                continue
            after = before.copy()
            if order[0].transaction is None:
                self._apply(after, order[0])
            # Whoever was admitted in an open transaction is so for that move alone.
            yield from self._explained(
                model if order[0].transaction is not None else after, order[1:]
            )

    def _apply(self, model: Model, actor: Actor) -> None:
        assert actor.move is not None
        actor.move.apply(model, actor.outcome)
        for instance in actor.move.admits:
            if model.hints.get(instance, actor.began_at) < actor.began_at:
                del model.hints[instance]

    async def _compare(self, possible: list[Model], lines: dict[int, list[Any]] | None) -> None:
        """One of the models is what is committed, but for admissions, which follow rules."""
        found = {row["id"]: State(*_members(row)) for row in await self.observer.fetch(_STATES)}
        differences = [self._difference(model, found) for model in possible]
        assert "" in differences, differences[0]
        self.model = possible[differences.index("")]
        before, self.model.executions = self.model.executions, found
        admitted = [each for each, state in found.items() if _was_admitted(before[each], state)]
        await self._judge_slots(admitted, lines)
        await self._judge_wakers()

    def _difference(self, model: Model, found: dict[UUID, State]) -> str:
        """In which the model is not what was found; empty if nothing."""
        if model.executions.keys() != found.keys():
            return f"{found.keys()} are there, the model says {model.executions.keys()}"
        for execution, state in found.items():
            expected = model.executions[execution]
            if _was_admitted(expected, state):
                expected = replace(expected, state="submitting", has_lease=True)
            if expected != state and not self._is_blurred(expected, state):
                return f"{execution} is {state}, the model says {expected}"
        return ""

    def _is_blurred(self, expected: State, state: State) -> bool:
        """The rescuer passes over what somebody holds, so either may be true."""
        at_will = {"is_expired": state.is_expired, "is_owned": state.is_owned}
        return self.is_blurred and replace(expected, **at_will) == state

    # --- rules ------------------------------------------------------------------------------

    async def _judge_slots(self, admitted: list[Any], lines: dict[int, list[Any]] | None) -> None:
        executions, places = self.model.executions, await self.observer.fetch(_SLOTS)
        busy = [state.instance for state in executions.values() if state.state in BUSY]
        queued = {state.instance for state in executions.values() if state.state == "queued"}
        accounts = {row["id"]: row["account_id"] for row in places}
        fresh = {executions[each].instance for each in admitted}
        # Who has changed a limit, or resumed, admits in a second statement: it may be waiting.
        looking = {each for actor in self.actors if actor.move for each in actor.move.admits}
        closed = self.model.paused | self.model.full | self.model.hints.keys() | looking
        used = {
            **{row["id"]: busy.count(row["id"]) for row in places},
            **{
                -account: sum(accounts[instance] == account for instance in busy)
                for account in accounts.values()
            },
        }
        for row in places:
            instance, account = row["id"], row["account_id"]
            limits = {instance: row["instance_limit"], -account: row["account_limit"]}
            is_admitted_to = {instance: {instance}, -account: set(accounts)}
            for scope, limit in limits.items():
                is_more = used[scope] > self.used.get(scope, 0)
                is_over = used[scope] > limit and is_more and not self.is_relimited
                assert not (is_over and fresh & is_admitted_to[scope]), (
                    f"{used[scope]} of {limit} slots are taken on {scope}"
                )
            is_free = all(used[scope] < limit for scope, limit in limits.items())
            is_open = instance not in closed
            assert not (is_free and is_open and instance in queued), (
                f"work waits on {instance}, a slot is free, and nobody will look"
            )
            if lines is not None:
                ours = {each for each in admitted if executions[each].instance == instance}
                before = [each for each in lines[instance] if each in ours]
                assert before == lines[instance][: len(before)], f"{instance}: out of turn"
        self.used = used

    async def _judge_wakers(self) -> None:
        """Whatever waits has something that will wake it, committed with it."""
        lost = await self.observer.fetch(_LOST)
        assert not lost, [dict(row) for row in lost]

    async def _line(self, instance: int) -> list[Any]:
        return [row["id"] for row in await self.observer.fetch(_LINE, instance)]


_LOST = """
select 'no lease' as what, id from workflow_executions
 where state in ('submitting', 'downloading') and lease_until is null
union all
select 'no settle time', id from workflow_executions
 where state = 'submitting' and intent_at is not null and settle_at is null
union all
select 'no reconcile timer', id from workflow_executions e
 where state = 'submitting' and intent_at is not null
   and not exists (select from timers where kind = 'reconcile_execution' and key = e.id::text)
union all
select 'no poll timer', id from workflow_executions e
 where state in ('pending', 'running')
   and not exists (select from timers where kind = 'poll_instance' and key = e.instance_id::text)
union all
select 'no cancel command', id from workflow_executions e
 where state in ('pending', 'running') and cancel_requested_at is not null
   and not exists (select from outbox where message_type = 'cancel_execution.v1'
                      and body ->> 'execution_id' = e.id::text)
union all
select 'no submit command', id from workflow_executions e
 where state = 'submitting'
   and not exists (select from outbox where message_type = 'submit_execution.v1'
                      and body ->> 'execution_id' = e.id::text)
union all
select 'no download command', id from workflow_executions e
 where state = 'downloading'
   and not exists (select from outbox where message_type = 'download_result.v1'
                      and body ->> 'execution_id' = e.id::text)
union all
select 'no queue timeout', id from workflow_executions e
 where state = 'queued' and queue_timeout_seconds is not null
   and not exists (select from timers where kind = 'expire_execution' and key = e.id::text)
union all
select 'a timer of the past: ' || t.kind, id from workflow_executions e
  join timers t on t.key = e.id::text
 where state in ('completed', 'failed', 'cancelled')
union all
select 'two ends', execution_id from execution_events
 where to_state in ('completed', 'failed', 'cancelled')
 group by execution_id having count(*) > 1
union all
select 'history differs', e.id from workflow_executions e
 where state <> (select to_state from execution_events v
                  where v.execution_id = e.id and to_state is not null order by id desc limit 1)
"""


def _was_admitted(before: State, after: State) -> bool:
    return before.state == "queued" and after.state == "submitting"


def _members(row: Any) -> tuple[Any, ...]:
    return tuple(row.values())[1:]


def _is_allowed(outcome: object, allowed: Collection[object]) -> bool:
    return any(_matches(outcome, each) for each in allowed)


def _matches(outcome: object, allowed: object) -> bool:
    if isinstance(allowed, type):
        return isinstance(outcome, allowed) and not isinstance(outcome, bool | str)
    return outcome == allowed
