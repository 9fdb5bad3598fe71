"""Those who make the moves: connections, the claims in their hands, and the time that passes."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from shared.db.pool import Database
from shared.domain.claims import DoubtClaim, DownloadClaim, PollClaim, SubmissionClaim
from tests.integration.builders import MadeInstance, MadeWorkflow
from tests.integration.db.states_model import Move
from tests.integration.db.states_time import EMPTY, LEASE_OVER, SETTLED
from tests.integration.db.states_world import Actor, OnConnection, World

CLAIMS = (SubmissionClaim, DoubtClaim, DownloadClaim, PollClaim)

ACTORS = 3
TALLY = Counter[str]()

place = st.integers(0, 99)
LETTING_GO = (
    "requeue", "postpone", "give_up_attempt", "postpone_reconciliation", "download postpone",
    "download give_back",
)  # fmt: skip
"""Whoever has made one does nothing more with its claim."""


class Actors(RuleBasedStateMachine):
    """Several workers on one database, one of whom may have to commit before another can go on."""

    runner: asyncio.Runner
    pool: Database
    actors: Sequence[tuple[OnConnection, int]]
    workflow: MadeWorkflow
    complaints: list[str]
    """Of the judge: Hypothesis may call them flaky if other locks let the next try pass."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: list[Any] = []
        self.dues: dict[int, datetime | None] = {}
        self.numbers = count(1)
        self.runner.run(self.pool.execute(EMPTY))
        actors = [Actor(number, *each) for number, each in enumerate(self.actors)]
        self.world = World(self._judged, self.pool, actors, [], self.workflow)

    def _judged(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self.runner.run(work)
        except AssertionError as complaint:
            self.complaints.append(str(complaint))
            raise

    def teardown(self) -> None:
        TALLY.update(self.world.tally)
        self.runner.run(self.world.close())

    def _make(self, actor: int, held: bool, move: Move) -> None:
        """The move, by somebody idle; if nobody is, somebody commits first."""
        while not (idle := [each for each in self.world.actors if each.is_idle]):
            self.end_a_transaction(actor, commits=True)
        in_hand = [each.move.claim for each in self.world.actors if each.move is not None]
        if move.claim is None or all(move.claim is not each for each in in_hand):
            self.world.start(idle[actor % len(idle)], move, held=held)
            if move.name in LETTING_GO:
                self.claims = [each for each in self.claims if each is not move.claim]
            self._collect()

    def _collect(self) -> None:
        """Claims that have been committed, and may go stale from now on."""
        for each in self.world.actors:
            if each.is_idle and isinstance(each.outcome, CLAIMS):
                self.claims.append(each.outcome)
                each.outcome = None

    def _instance(self, at: int) -> MadeInstance:
        return self.world.instances[at % len(self.world.instances)]

    def _executions(self, *states: str) -> list[UUID]:
        known = self.world.model.executions
        return [each for each, found in known.items() if found.state in states]

    def _claim_of(self, execution: UUID, kinds: Any) -> Any:
        """The latest claim on it, whether it still holds or not."""
        found = [
            claim
            for claim in self.claims
            if isinstance(claim, kinds) and claim.execution_id == execution
        ]
        return found[-1] if found else None

    @rule(at=place, commits=st.sampled_from([True, True, True, False]))
    def end_a_transaction(self, at: int, commits: bool) -> None:
        is_open = [each for each in self.world.actors if each.is_open]
        if not is_open:
            return
        actor = is_open[at % len(is_open)]
        if not commits:
            actor.outcome = None
        self.world.end(actor, commits=commits)
        self._collect()

    def _end_lease(self, execution: UUID) -> None:
        """And, if it is in doubt, its settle time as well."""
        found = self.world.model.executions[execution]
        query = SETTLED if found.has_intent else LEASE_OVER
        if self._passes(query, execution):
            self.world.model.executions[execution] = replace(
                found, is_expired=True, is_settled=found.has_intent
            )

    def _passes(self, query: str, key: object) -> bool:
        return self.runner.run(self.pool.fetchval(query, key)) is not None
