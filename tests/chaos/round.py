"""One round: places of its own, the client at work, faults on their moments, then rest."""

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random

import asyncpg
import httpx
from aio_pika.exceptions import AMQPException

from deploy.local.owned import wait_until
from tests.chaos.books import Circumstances, ClientBook, LimitSet
from tests.chaos.driver import Driver
from tests.chaos.faults.deck import FAULTS
from tests.chaos.faults.fault import Fault, Recovery, Scene
from tests.chaos.plan import FaultPlan, Plan
from tests.chaos.town import Place, Town
from tests.e2e.house import SQL

REST_BOUND_SECONDS = 90.0
"""After the last fault. A command that the broker lost is written again after 30 s, a timer whose
message was lost fires again after 60 s, and then the work itself has to be done."""
STUCK_SECONDS = 150.0
"""Longer than any guard of a timer: what is not at rest then never will be."""
_IDLE_BOUND_SECONDS = 10.0
_RESULTS_READ = 8


@dataclass(frozen=True, slots=True)
class Struck:
    """One fault as it went."""

    name: str
    sentence: str
    strikes: int
    detail: str
    recovers: Recovery | None
    recoveries: tuple[float, ...]
    """Seconds until all were ready."""
    moved_on: tuple[float, ...]
    """Of each execution that workers had in hand, the seconds until its next move."""
    at_points: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Outcome:
    """What a round left to be judged."""

    plan: Plan
    places: Sequence[Place]
    book: ClientBook
    circumstances: Circumstances
    faults: list[Struck]
    problems: list[str]
    """What went wrong with the round itself, or answers that no client should get."""
    rest_seconds: float | None
    """None: it never came to rest."""
    unrest: dict[str, float]
    """What kept it from rest, until when."""
    seconds: float

    @property
    def executions(self) -> int:
        """How many the client knows to be accepted."""
        return len({each.execution for each in self.book.accepted})


def fault_of(plan: FaultPlan) -> Fault:
    """The fault of this name, with the plan's own chance."""
    return FAULTS[plan.name](Random(plan.seed), plan.lasts)


@dataclass(eq=False)
class Round:
    """A plan carried out once in a town."""

    town: Town
    plan: Plan
    on_begin: Callable[[Sequence[Place]], None] = lambda _: None
    """Called when the places are there and nothing was asked."""
    make: Callable[[FaultPlan], Fault] = fault_of
    stuck_seconds: float = STUCK_SECONDS
    circumstances: Circumstances = field(default_factory=Circumstances)
    problems: list[str] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    places: Sequence[Place] = ()
    unrest: dict[str, float] = field(default_factory=dict)
    """What kept it from rest, and until how many seconds after the last fault."""
    _healed: float = 0.0

    def run(self) -> Outcome:
        """Everything up to rest; what the client reads of results follows."""
        begun = time.monotonic()
        self.circumstances.rest_bound_seconds = REST_BOUND_SECONDS
        self.circumstances.idle_bound_seconds = _IDLE_BOUND_SECONDS
        driver = self._prepare()
        self.on_begin(self.places)
        scene = Scene(self.town, self.places, self.circumstances)
        faults = [self.make(each) for each in self.plan.faults]
        with driver.watching():
            self._drive_and_strike(driver, scene, faults)
            rest = self._rest(max((each.aftermath_seconds for each in faults), default=0.0))
        for fault in faults:
            self._guard("counting", lambda fault=fault: fault.count(scene))  # type: ignore[misc]
        self._note(faults)
        if rest is not None:
            self._guard("reading results", lambda: self._read_results(driver))
        driver.close()
        return Outcome(
            self.plan,
            self.places,
            driver.book,
            self.circumstances,
            self.struck,
            [*self.problems, *driver.problems],
            rest,
            self.unrest,
            time.monotonic() - begun,
        )

    def _prepare(self) -> Driver:
        """Accounts, instances and workflows that no other round has."""
        town, plan = self.town, self.plan
        name = f"s{plan.seed}r{town.next_round()}"
        accounts = [
            town.account(f"{name}a{number}".upper(), max_concurrent_executions=limit)
            for number, limit in enumerate(plan.accounts)
        ]
        self.places = [
            town.instance(
                accounts[each.account],
                f"amc{name}i{number}",
                max_concurrent_executions=each.limit,
            )
            for number, each in enumerate(plan.instances)
        ]
        workflows = [
            town.workflow(
                f"{name} {number}",
                "\n".join([*(f"-- simulator: {each}" for each in directives), SQL]),
            )
            for number, directives in enumerate(plan.workflows)
        ]
        wiped = any(each.name == "broker_wiped" for each in plan.faults)
        driver = Driver(town, plan, self.places, workflows, name, may_lose_confirmed=wiped)
        driver.book.limits += [
            LimitSet(place.id, each.limit, 0, 0)
            for place, each in zip(self.places, plan.instances, strict=True)
        ]
        driver.book.limits += [
            LimitSet(place.entity_id, limit, 0, 0)
            for place, limit in zip(accounts, plan.accounts, strict=True)
        ]
        return driver

    def _drive_and_strike(self, driver: Driver, scene: Scene, faults: Sequence[Fault]) -> None:
        with ThreadPoolExecutor(len(faults) + 1) as pool:
            driving = pool.submit(self._guard, "driving", driver.drive)
            striking = [
                pool.submit(self._guard, each.name, self._striking(scene, each, fault))
                for each, fault in zip(self.plan.faults, faults, strict=True)
            ]
            for future in striking:
                future.result()
            self._healed = time.monotonic()
            self.town.heal()
            if self.plan.asks_until_healed:
                driver.enough.set()
            driving.result()

    def _striking(self, scene: Scene, plan: FaultPlan, fault: Fault) -> Callable[[], None]:
        def strike() -> None:
            threading.Event().wait(plan.at)
            try:
                begun, struck_at = time.monotonic(), time.time()
                fault.begin(scene)
                threading.Event().wait(plan.lasts - (time.monotonic() - begun))
            finally:
                fault.end(scene)
            if fault.recovers is not None and fault.strikes and not fault.measures_itself:
                ended, back_at = time.monotonic(), time.time()
                assert self.town.all_ready(within=90), f"not all work again after {plan.name}"
                is_kill = fault.recovers == "worker kill"
                fault.recoveries.append(time.monotonic() - (begun if is_kill else ended))
                fault.back_at = struck_at if is_kill else back_at

        return strike

    def _rest(self, aftermath: float) -> float | None:
        """Seconds from the end of the last fault until all is at rest, or None."""
        threading.Event().wait(self._healed + aftermath - time.monotonic())
        came = wait_until(self._is_at_rest, seconds=self.stuck_seconds)
        seconds = time.monotonic() - self._healed
        self.circumstances.rest_seconds = seconds
        if not came:
            self.problems.append(f"never at rest: {'; '.join(self._unrest())}")
        return seconds if came else None

    def _is_at_rest(self) -> bool:
        threading.Event().wait(0.2)
        reasons = self._unrest()
        now = round(time.monotonic() - self._healed, 1)
        self.unrest |= dict.fromkeys(reasons, now)
        return not reasons

    def _unrest(self) -> list[str]:
        """What is not at rest; servers that do not answer the harness are not."""
        try:
            return self._still_at_work()
        except (OSError, TimeoutError, asyncpg.PostgresError, AMQPException) as error:
            return [f"what the harness reads: {error!r}"]
        except httpx.HTTPError as error:
            return [f"the simulator: {error!r}"]

    def _still_at_work(self) -> list[str]:
        ids = [place.id for place in self.places]
        reasons = [row["what"] for row in self.town.sql(_UNREST, ids)]
        if reasons:
            return reasons
        active = [
            f"{each['id']} is {each['status']} at AMC"
            for place in self.places
            for each in self.town.simulator.executions(place)  # type: ignore[arg-type]  # it has an id
            if each["status"] in {"PENDING", "RUNNING", "PUBLISHING"}
        ]
        if active:
            return active
        depths = self.town.queue_depths()
        return [f"queue {name} {count}" for name, count in depths.items() if count]

    def _note(self, faults: Sequence[Fault]) -> None:
        self.struck += [
            Struck(
                plan.name,
                fault.sentence,
                fault.strikes,
                fault.detail,
                fault.recovers,
                tuple(fault.recoveries),
                (*fault.moved_on, *self._moved_on(fault.back_at)),
                fault.at_points,
            )
            for plan, fault in zip(self.plan.faults, faults, strict=True)
        ]

    def _moved_on(self, since: float | None) -> tuple[float, ...]:
        """Seconds until each execution that was in a worker's hands left its state."""
        ids = [place.id for place in self.places]
        rows = [] if since is None else self.town.sql(MOVED_ON, ids, since)
        return tuple(row["seconds"] for row in rows)

    def _read_results(self, driver: Driver) -> None:
        rows = self.town.sql(
            "select 'ex_' || replace(e.id::text, '-', '') as id from workflow_executions e"
            " join amc_instances i on i.id = e.instance_id"
            " where i.amc_instance_id = any($1) and e.state = 'completed' order by e.id",
            [place.id for place in self.places],
        )
        some = Random(self.plan.seed).sample(rows, min(len(rows), _RESULTS_READ))
        driver.read_results([row["id"] for row in some])

    def _guard(self, what: str, work: Callable[[], None]) -> None:
        """What goes wrong with the harness spoils its own round only, and is told."""
        try:
            work()
        except Exception:  # noqa: BLE001 - the outermost frame of a thread
            self.problems.append(f"{what}: {traceback.format_exc(limit=-4)}")


_UNREST = """
with ours as (
  select e.id, e.state from workflow_executions e join amc_instances i on i.id = e.instance_id
   where i.amc_instance_id = any($1)
)
select distinct 'an execution that is ' || state as what from ours
 where state not in ('completed', 'failed', 'cancelled')
union all
select distinct 'outbox: ' || message_type from outbox
union all
select distinct 'timer: ' || t.kind || ' of one that is ' || o.state
  from timers t join ours o on o.id::text = t.key
union all
select 'a stray' from stray_executions s
  join amc_instances i on i.id = s.instance_id
 where i.amc_instance_id = any($1) and s.cancelled_at is null
union all
select 'a comparison that is ' || r.status from reconciliations r
  join amc_instances i on i.id = r.instance_id
 where i.amc_instance_id = any($1) and r.status in ('waiting', 'running')
 limit 20
"""

MOVED_ON = """
with before as (
  select distinct on (v.execution_id) v.execution_id, v.to_state from execution_events v
    join workflow_executions e on e.id = v.execution_id
    join amc_instances i on i.id = e.instance_id
   where i.amc_instance_id = any($1) and v.to_state is not null and v.at <= to_timestamp($2::float8)
   order by v.execution_id, v.id desc
)
select extract(epoch from min(v.at))::float8 - $2 as seconds from before b
  join execution_events v on v.execution_id = b.execution_id
 where b.to_state in ('submitting', 'downloading') and v.from_state is not null
   and v.at > to_timestamp($2::float8)
 group by b.execution_id
"""
"""Not of those that are queued or at AMC: others decide how long they stay there."""
