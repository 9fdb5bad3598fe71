"""What the hot statements cost beside a history of 1,000 and of 1,000,000 finished executions.

Databases of one server, alike but for their history, with 10,000 executions in line on one
instance. Executions go through their life by the product's repositories, one after the other, and
each call is timed; batches on the databases take turns. That nothing walks through history is
told by the server's own counts of sequential scans while that is done.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, TypeVar
from uuid import UUID

import asyncpg

from benchmarks.frame import Context, Pairs, Row, Target
from benchmarks.scale_world import make_history
from benchmarks.world import World
from deploy.local.databases import clone_database, database_of, with_database
from shared.db.acceptance import Acceptance
from shared.db.outbox import Outbox, OutboxRow
from shared.db.polling import Looks
from shared.db.pool import Database, open_database
from shared.db.submission import Submissions
from shared.db.timers import Timers
from shared.domain.claims import Observation
from shared.domain.clock import utc_now
from shared.domain.ids import AmcExecutionId, ExecutionId, InstanceKey, new_uuid
from shared.security.keys import new_stack_keys

T = TypeVar("T")
Medians = Sequence[Mapping[str, float]]
"""Milliseconds by part, of each batch."""
Scans = dict[str, tuple[int, int]]
"""Sequential scans by table, and rows read by them."""

_TARGET: Final = Target(at_most=1.5)
_INSTANCES: Final = 58
_IN_LINE: Final = 10_000
_BASE: Final = 1_000
_WARM_UP: Final = 10
"""Until plans are kept and pages are in memory."""
_MINUTE: Final = timedelta(minutes=1)
_PARTS: Final = ("admit", "relay", "claim", "timer", "poll")
_ONE_MORE_SLOT: Final = """
update amc_instances set max_concurrent_executions = max_concurrent_executions + 1 where id = $1
"""
_DUE_NOW: Final = """
update timers set due_at = clock_timestamp() - interval '1 s' where kind = 'poll_instance'
"""
_SCANS: Final = """
select relname, seq_scan::int, seq_tup_read::bigint from pg_stat_user_tables
 where relname in ('workflow_executions', 'execution_events', 'submission_attempts')
"""


@dataclass(slots=True)
class Clock:
    """Milliseconds of each part of a life."""

    taken: dict[str, list[float]] = field(default_factory=lambda: {part: [] for part in _PARTS})

    async def time(self, part: str, call: Callable[[], Awaitable[T]]) -> T:
        """What it gives; how long it took is kept."""
        started = time.perf_counter()
        found = await call()
        self.taken[part].append(1000 * (time.perf_counter() - started))
        return found

    def medians(self) -> dict[str, float]:
        return {part: statistics.median(taken[_WARM_UP:]) for part, taken in self.taken.items()}


@dataclass(frozen=True, slots=True)
class Side:
    """One database; each batch has connections of its own."""

    url: str
    finished: int
    world: World

    def batch(self, lives: int) -> dict[str, float]:
        """Median milliseconds of each part."""
        return asyncio.run(self._batch(lives))

    async def _batch(self, lives: int) -> dict[str, float]:
        clock = Clock()
        async with open_database(self.url, service="bench", min_size=1, max_size=1) as database:
            life = Life(database, InstanceKey(self.world.instances[0][0]), clock)
            for _ in range(_WARM_UP + lives):
                await life.lead()
        return clock.medians()

    def scans(self) -> Scans:
        """Sequential scans of each large table so far, and rows read by them."""
        return asyncio.run(_scans(self.url))


@dataclass(frozen=True, slots=True)
class Life:
    """Leads one execution after the other through its life, on one database."""

    database: Database
    instance: InstanceKey
    clock: Clock

    async def lead(self) -> None:
        """A slot comes free; who gets it is submitted, looked at and handed to the downloader."""
        execution = await self._admitted()
        await self._submit(execution)
        await self._fire()
        await self._look(execution)

    async def _admitted(self) -> ExecutionId:
        outbox, acceptance = Outbox(self.database), Acceptance(self.database)
        await self.database.execute("delete from outbox")
        await self.database.execute(_ONE_MORE_SLOT, self.instance)
        await self.clock.time("admit", lambda: acceptance.admit([self.instance]))
        rows: list[OutboxRow] = []

        async def relay() -> None:
            rows.extend(await outbox.fresh(limit=500))
            await outbox.delete([row.id for row in rows])
            await outbox.claim_left_behind(limit=500, back=_MINUTE)

        await self.clock.time("relay", relay)
        return ExecutionId(UUID(json.loads(rows[0].body)["execution_id"]))

    async def _submit(self, execution: ExecutionId) -> None:
        submissions = Submissions(self.database)
        claim = await self.clock.time(
            "claim", lambda: submissions.claim_for_submission(execution, lease=_MINUTE)
        )
        await submissions.record_intent(
            claim, timeout_seconds=21_600, settle_time=2 * _MINUTE, lease=_MINUTE
        )
        await submissions.bind(
            claim,
            amc_execution_id=AmcExecutionId(new_uuid().hex),
            amc_status="PENDING",
            created_at=utc_now(),
        )

    async def _fire(self) -> None:
        await self.database.execute(_DUE_NOW)
        timers = Timers(self.database)
        await self.clock.time(
            "timer",
            lambda: timers.fire(
                "poll_instance",
                message_type="poll_instance.v1",
                guard=_MINUTE,
                limit=500,
                back=_MINUTE,
            ),
        )

    async def _look(self, execution: ExecutionId) -> None:
        looks = Looks(self.database)

        async def poll() -> None:
            claim = await looks.claim_for_poll(self.instance, lease=_MINUTE)
            assert [work.execution_id for work in claim.work] == [execution]
            await looks.observe(self.instance, [Observation(execution, "downloading", "SUCCEEDED")])
            await looks.expected_seconds(self.instance)
            await looks.finish_look(claim, next_look=_MINUTE, seen_due=None)

        await self.clock.time("poll", poll)


def run(context: Context) -> list[Row]:
    """A row for each part, against the largest history."""
    sizes = context.pick(
        full=(_BASE, 100_000, 1_000_000), quick=(_BASE, 100_000), tiny=(_BASE, 2_000)
    )
    lives = context.pick(full=100, quick=60, tiny=3)
    with context.servers() as found:
        sides = [_side(context, found.database_url, finished) for finished in sizes]
        before = {side.finished: side.scans() for side in sides}
        measured = _batches(sides, lives, pairs=context.pick(full=5, quick=3, tiny=1))
        scanned = {side.finished: _since(before[side.finished], side.scans()) for side in sides}
    largest = sizes[-1]
    context.say(f"sequential scans of history: {scanned}")
    walked = sorted(scanned[largest])
    note = f"{largest:,} finished; " + (f"SCANS OF {walked}" if walked else "no sequential scan")
    return [
        _row(part, measured, largest, note=note, is_free_of_scans=not walked) for part in _PARTS
    ]


def _side(context: Context, template: str, finished: int) -> Side:
    """A database with that history; it may not be the template itself, which has to stay empty."""
    started = time.monotonic()
    url = asyncio.run(clone_database(with_database(template, "postgres"), database_of(template)))
    world = asyncio.run(
        make_history(
            url,
            access_token_key=new_stack_keys().access_token_key,
            instances=_INSTANCES,
            finished=finished,
            in_line=context.pick(full=_IN_LINE, quick=_IN_LINE, tiny=200),
        )
    )
    context.say(f"{finished:,} finished executions: {time.monotonic() - started:.0f} s to make")
    return Side(url, finished, world)


def _batches(sides: Sequence[Side], lives: int, *, pairs: int) -> Mapping[int, Medians]:
    """By history; the databases take turns, every second time backwards."""
    found: dict[int, list[dict[str, float]]] = {side.finished: [] for side in sides}
    for number in range(pairs):
        for side in sides if number % 2 == 0 else reversed(sides):
            found[side.finished].append(side.batch(lives))
    return found


def _row(
    part: str, measured: Mapping[int, Medians], largest: int, *, note: str, is_free_of_scans: bool
) -> Row:
    by_size = {size: tuple(each[part] for each in taken) for size, taken in measured.items()}
    row = Pairs(by_size[largest], by_size[_BASE]).row(
        f"scale {part}",
        _TARGET,
        unit="ms",
        note=note,
        details={str(size): list(taken) for size, taken in by_size.items()},
    )
    return replace(row, met=bool(row.met) and is_free_of_scans)


def _since(before: Scans, after: Scans) -> Scans:
    """Tables that were scanned since, with scans and rows."""
    return {
        table: (scans - before[table][0], rows - before[table][1])
        for table, (scans, rows) in after.items()
        if scans > before[table][0]
    }


async def _scans(url: str) -> Scans:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(_SCANS)
    finally:
        await connection.close()
    return {row["relname"]: (row["seq_scan"], row["seq_tup_read"]) for row in rows}
