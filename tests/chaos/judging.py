"""A round with its three books filled and judged."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.chaos.books import Books, Searched, SlotSample, Verdict
from tests.chaos.faults.fault import Fault
from tests.chaos.invariants import judge
from tests.chaos.invariants.rest import never_at_rest
from tests.chaos.plan import FaultPlan, Plan
from tests.chaos.read_database import read_database, sampling
from tests.chaos.read_simulator import journal_end, read_simulator
from tests.chaos.round import STUCK_SECONDS, Outcome, Round, fault_of
from tests.chaos.search_secrets import canaries_of, search_dump, search_files
from tests.chaos.town import Place, Town


@dataclass(frozen=True, slots=True)
class Judged:
    """A round and what every invariant says of it."""

    outcome: Outcome
    books: Books | None
    """None: it never came to rest, so that there was nothing to compare."""
    verdicts: tuple[Verdict, ...]

    @property
    def seed(self) -> int:
        return self.outcome.plan.seed

    @property
    def violated(self) -> list[Verdict]:
        return [each for each in self.verdicts if each.violations]

    @property
    def is_sound(self) -> bool:
        return not self.violated and not self.outcome.problems


def play(
    town: Town,
    plan: Plan,
    *,
    search: bool = False,
    make: Callable[[FaultPlan], Fault] = fault_of,
    stuck_seconds: float = STUCK_SECONDS,
) -> Judged:
    """One round and its judgement; `search`: also for secrets, wherever they could lie."""
    begun, seen = time.time(), journal_end(town.simulator)
    samples: list[list[SlotSample]] = []
    with ExitStack() as watched:

        def watch(places: Sequence[Place]) -> None:
            url, ids = town.stack.found.database_url, [place.id for place in places]
            samples.append(watched.enter_context(sampling(url, ids)))

        outcome = Round(town, plan, on_begin=watch, make=make, stuck_seconds=stuck_seconds).run()
    if outcome.rest_seconds is None:
        return Judged(outcome, None, (never_at_rest(outcome.circumstances.rest_seconds),))
    ids = [place.id for place in outcome.places]
    accounts = sorted({place.entity_id for place in outcome.places})
    if search:
        outcome.circumstances.searched += _search(town)
    database = read_database(
        town.stack.found.database_url, ids, begun=begun, samples=samples[0] if samples else []
    )
    simulator = read_simulator(town.simulator, ids, accounts, after=seen)
    books = Books(outcome.book, database, simulator, outcome.circumstances)
    return Judged(outcome, books, tuple(judge(books)))


def _search(town: Town) -> list[Searched]:
    canaries = canaries_of(town.stack.secrets)
    pg_dump = town.postgres.binaries.folder / "pg_dump"
    broker = town.rabbitmq.folder / "mnesia"
    return [
        search_dump(
            pg_dump, town.stack.found.database_url, canaries, control="workflow_executions"
        ),
        search_files(
            "logs", [*town.logs.glob("*.log*"), *town.folder.rglob("*.log")], canaries,
            control="execution_submitted",
        ),
        search_files("broker's folder", broker.rglob("*"), canaries, control="submit_execution"),
    ]  # fmt: skip
