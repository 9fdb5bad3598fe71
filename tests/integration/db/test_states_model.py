"""Every move of an execution, by several connections in any order, against a model.

Hypothesis chooses the moves, who makes them, and which transactions stay open meanwhile; after
each step the committed rows are those of the model, no slot is taken twice or left idle, and
whatever waits has something that wakes it. AMCFLOW_MODEL_EXAMPLES asks for more examples.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.db.pool import open_database
from shared.domain.claims import DoubtClaim, DownloadClaim, PollClaim, SubmissionClaim
from tests.integration.builders import make_account, make_instance, make_request, make_workflow
from tests.integration.db import states_model as moves
from tests.integration.db.states_model import Move
from tests.integration.db.states_world import World, open_actor

EXAMPLES = int(os.environ.get("AMCFLOW_MODEL_EXAMPLES", "25"))
STEPS = 60
ACTORS = 3
EMPTY = """
truncate workflow_executions, execution_events, submission_attempts, stray_executions, timers,
         outbox, idempotency_keys, amc_workflows, instance_gates, account_gates, rate_budgets,
         amc_instances, amc_accounts, credentials restart identity cascade
"""
# Time passes for what nobody holds: a lease, a settle time, a pause.
LEASE_OVER = """
update workflow_executions set lease_until = clock_timestamp() - interval '1 s'
 where id = any(array(select id from workflow_executions where id = $1 and lease_until is not null
                        for update skip locked))
returning id
"""
SETTLED = """
update workflow_executions
   set settle_at = clock_timestamp() - interval '1 s',
       lease_until = clock_timestamp() - interval '1 s'
 where id = any(array(select id from workflow_executions where id = $1 and settle_at is not null
                        for update skip locked))
returning id
"""
NO_LONGER_FULL = """
update instance_gates set admit_after = '-infinity'
 where instance_id = any(array(select instance_id from instance_gates where instance_id = $1
                                 and admit_after > clock_timestamp() for update skip locked))
returning instance_id
"""
LOOK_OVER = "update instance_gates set poll_lease_until = '-infinity' where instance_id = $1"

place = st.integers(0, 99)
who = st.integers(0, ACTORS - 1)
held = st.booleans()
amc_id = st.integers(0, 11)


class Clerks(RuleBasedStateMachine):
    """Several workers, and people, on one database."""

    runner: asyncio.Runner
    url: str

    def __init__(self) -> None:
        super().__init__()
        self.stack = AsyncExitStack()
        self.claims: list[Any] = []
        self.numbers = count(1)
        self.dues: dict[int, datetime | None] = {}
        self.world: World = self.runner.run(self._open())

    async def _open(self) -> World:
        pool = await self.stack.enter_async_context(
            open_database(self.url, service="model", max_size=ACTORS + 2)
        )
        await pool.execute(EMPTY)
        actors = [await open_actor(self.url, pool, number) for number in range(ACTORS)]
        return World(self.runner.run, pool, actors, [], await make_workflow(pool))

    def teardown(self) -> None:
        self.runner.run(self.world.close())
        self.runner.run(self.stack.aclose())

    @initialize(
        limits=st.lists(st.integers(1, 2), min_size=3, max_size=3), account=st.integers(1, 4)
    )
    def begin(self, limits: list[int], account: int) -> None:
        """Two instances share an account, a third has one of its own."""
        pool = self.world.observer

        async def made() -> None:
            shared = await make_account(pool, max_concurrent_executions=account)
            for limit, home in zip(limits, (shared, shared, None), strict=True):
                instance = await make_instance(pool, home, max_concurrent_executions=limit)
                self.world.instances.append(instance)

        self.runner.run(made())

    # --- choosing ---------------------------------------------------------------------------

    def _make(self, actor: int, held: bool, move: Move) -> None:
        idle = [each for each in self.world.actors if each.is_idle]
        if move.claim is not None and any(
            each.move is not None and each.move.claim is move.claim for each in self.world.actors
        ):
            return
        if idle:
            self.world.start(idle[actor % len(idle)], move, held=held)
            self._collect()

    def _collect(self) -> None:
        """Claims that have been committed, and may go stale from now on."""
        for each in self.world.actors:
            outcome = each.outcome
            if each.transaction is None and not each.is_waiting and _is_claim(outcome):
                self.claims.append(outcome)
                each.outcome = None

    def _instance(self, at: int) -> Any:
        return self.world.instances[at % len(self.world.instances)]

    def _execution(self, at: int, *states: str) -> UUID | None:
        known = self.world.model.executions
        fitting = [each for each, found in known.items() if found.state in states]
        wanted = fitting or list(known)
        return wanted[at % len(wanted)] if wanted else None

    def _claim(self, at: int, *kinds: type) -> Any:
        found = [each for each in self.claims if isinstance(each, kinds)]
        # The latest claims are the live ones; the older ones are a zombie's.
        return found[-1 - at % min(len(found), 4)] if found else None

    def _on(self, at: int, states: str, move: Callable[[UUID], Move], **how: Any) -> None:
        execution = self._execution(at, *states.split())
        if execution is not None:
            self._make(how["actor"], how["held"], move(execution))

    def _with(self, at: int, kind: Any, move: Callable[[Any], Move], **how: Any) -> None:
        claim = self._claim(at, *(kind if isinstance(kind, tuple) else (kind,)))
        if claim is not None:
            self._make(how["actor"], how["held"], move(claim))

    # --- transactions -----------------------------------------------------------------------

    @precondition(lambda self: any(each.is_open for each in self.world.actors))
    @rule(at=place, commits=st.sampled_from([True, True, True, False]))
    def end_a_transaction(self, at: int, commits: bool) -> None:
        is_open = [each for each in self.world.actors if each.is_open]
        actor = is_open[at % len(is_open)]
        if not commits:
            actor.outcome = None
        self.world.end(actor, commits=commits)
        self._collect()

    # --- moves ------------------------------------------------------------------------------

    @rule(
        actor=who, held=held, at=st.lists(place, min_size=1, max_size=4), number=place,
        key=st.none() | st.sampled_from("ab"), timed=st.booleans(),
    )  # fmt: skip
    def accept(
        self, actor: int, held: bool, at: list[int], number: int, key: str | None, timed: bool
    ) -> None:
        requests = [
            make_request(
                self._instance(each),
                self.world.workflow,
                priority=(number + each) % 3,
                lane="ab"[each % 2],
                queue_timeout_seconds=3600 if timed else None,
            )
            for each in at
        ]
        move = moves.accept(requests, key, lambda: next(self.world.ticks))
        self._make(actor, held, move)

    @rule(actor=who, held=held, at=st.sets(place, min_size=1, max_size=3))
    def admit(self, actor: int, held: bool, at: set[int]) -> None:
        self._make(actor, held, moves.admit({self._instance(each).key for each in at}))

    @rule(actor=who, held=held)
    def rescue(self, actor: int, held: bool) -> None:
        self._make(actor, held, moves.rescue())

    @rule(actor=who, held=held, at=place)
    def claim_for_submission(self, at: int, **how: Any) -> None:
        self._on(at, "submitting", moves.claim_for_submission, **how)

    @rule(actor=who, held=held, at=place)
    def record_intent(self, at: int, **how: Any) -> None:
        self._with(at, SubmissionClaim, moves.record_intent, **how)

    @rule(actor=who, held=held, at=place, other=place)
    def bind(self, at: int, other: int, **how: Any) -> None:
        def move(claim: Any) -> Move:
            return moves.bind(claim, f"amc-{other % 12}")

        self._with(at, (SubmissionClaim, DoubtClaim), move, **how)

    @rule(actor=who, held=held, at=place, state=st.sampled_from(["failed", "cancelled"]))
    def end_submission(self, at: int, state: str, **how: Any) -> None:
        self._with(at, SubmissionClaim, partial(moves.end_submission, state=state), **how)

    @rule(actor=who, held=held, at=place)
    def cancel_if_requested(self, at: int, **how: Any) -> None:
        self._with(at, SubmissionClaim, moves.cancel_if_requested, **how)

    @rule(actor=who, held=held, at=place, pauses=st.booleans())
    def requeue(self, at: int, pauses: bool, **how: Any) -> None:
        self._with(at, SubmissionClaim, partial(moves.requeue, pauses=pauses), **how)

    @rule(actor=who, held=held, at=place)
    def postpone(self, at: int, **how: Any) -> None:
        self._with(at, SubmissionClaim, moves.postpone, **how)

    @rule(actor=who, held=held, at=place)
    def claim_for_reconciliation(self, at: int, **how: Any) -> None:
        self._on(at, "submitting", moves.claim_for_reconciliation, **how)

    @rule(
        actor=who, held=held, at=place, found=st.lists(st.integers(0, 11), max_size=3, unique=True)
    )
    def adopt(self, at: int, found: list[int], **how: Any) -> None:
        candidates = [f"amc-{each}" for each in found]
        self._with(at, DoubtClaim, partial(moves.adopt, candidates=candidates), **how)

    @rule(actor=who, held=held, at=place)
    def give_up(self, at: int, **how: Any) -> None:
        self._with(at, DoubtClaim, moves.give_up, **how)

    @rule(actor=who, held=held, at=place)
    def leave_in_doubt(self, at: int, **how: Any) -> None:
        self._with(at, DoubtClaim, moves.leave_in_doubt, **how)

    @rule(
        actor=who, held=held, at=place,
        seen=st.lists(
            st.sampled_from(["pending", "running", "downloading", "failed", "cancelled"]),
            min_size=1, max_size=4,
        ),
    )  # fmt: skip
    def observe(self, at: int, seen: list[str], **how: Any) -> None:
        instance = self._instance(at).key
        known = self.world.model.executions
        there = [each for each, found in known.items() if found.instance == instance]
        there.sort(key=lambda each: known[each].state not in {"pending", "running"})
        told = list(zip(there, seen, strict=False))
        if told:
            self._make(how["actor"], how["held"], moves.observe(instance, told))

    @rule(actor=who, held=held, at=place)
    def deadline_passed(self, at: int, **how: Any) -> None:
        self._on(at, "pending running", moves.deadline_passed, **how)

    @rule(actor=who, held=held, at=place)
    def begin_look(self, at: int, **how: Any) -> None:
        instance = self._instance(at).key
        self.dues[instance] = self.runner.run(
            self.world.observer.fetchval(
                "select due_at from timers where kind = 'poll_instance' and key = $1",
                str(instance),
            )
        )
        self._make(how["actor"], how["held"], moves.begin_look(instance))

    @rule(actor=who, held=held, at=place, is_last=st.booleans())
    def finish_look(self, at: int, is_last: bool, **how: Any) -> None:
        def move(claim: Any) -> Move:
            due = self.dues.get(claim.destination.instance)
            return moves.finish_look(claim, due, is_last=is_last)

        self._with(at, PollClaim, move, **how)

    @rule(actor=who, held=held, at=place)
    def claim_for_download(self, at: int, **how: Any) -> None:
        self._on(at, "downloading", moves.claim_for_download, **how)

    @rule(
        actor=who, held=held, at=place,
        what=st.sampled_from(["renew", "postpone", "fail", "complete", "give_back"]),
    )  # fmt: skip
    def work_on_download(self, at: int, what: str, **how: Any) -> None:
        self._with(at, DownloadClaim, partial(moves.work_on_download, what=what), **how)

    @rule(actor=who, held=held, at=place, early=st.booleans())
    def cancel(self, at: int, early: bool, **how: Any) -> None:
        states = "queued submitting" if early else "pending running downloading"
        self._on(at, states, moves.cancel, **how)

    @rule(actor=who, held=held, at=place)
    def expire(self, at: int, **how: Any) -> None:
        self._on(at, "queued", moves.expire, **how)

    @rule(actor=who, held=held, at=place)
    def fail_parked(self, at: int, **how: Any) -> None:
        self._on(at, "submitting downloading", moves.fail_parked, **how)

    @rule(actor=who, held=held, at=place, resumes=st.booleans())
    def pause_or_resume(self, actor: int, held: bool, at: int, resumes: bool) -> None:
        instance = self._instance(at).key
        self._make(actor, held, (moves.resume if resumes else moves.pause)(instance))

    @rule(actor=who, held=held, at=place, limit=st.integers(1, 3))
    def limit_instance(self, actor: int, held: bool, at: int, limit: int) -> None:
        self._make(actor, held, moves.limit_instance(self._instance(at).key, limit))

    @rule(actor=who, held=held, at=place, limit=st.integers(1, 4))
    def limit_account(self, actor: int, held: bool, at: int, limit: int) -> None:
        account = self._instance(at).account
        there = [each.key for each in self.world.instances if each.account == account]
        self._make(actor, held, moves.limit_account(account, there, limit))

    # --- time -------------------------------------------------------------------------------

    @rule(at=place)
    def a_lease_ends(self, at: int) -> None:
        execution = self._execution(at, "submitting", "downloading")
        if execution is not None and self._passes(LEASE_OVER, execution):
            found = self.world.model.executions[execution]
            self.world.model.executions[execution] = moves.replace(found, is_expired=True)

    @rule(at=place)
    def a_doubt_settles(self, at: int) -> None:
        execution = self._execution(at, "submitting")
        if execution is not None and self._passes(SETTLED, execution):
            found = self.world.model.executions[execution]
            self.world.model.executions[execution] = moves.replace(
                found, is_settled=True, is_expired=True
            )

    @rule(at=place)
    def amc_has_room_again(self, at: int) -> None:
        instance = self._instance(at).key
        if self._passes(NO_LONGER_FULL, instance):
            self.world.model.full.discard(instance)
            # The timer `admit_instance` looks next.
            self.world.model.hints[instance] = next(self.world.ticks)

    def _passes(self, query: str, key: object) -> bool:
        return self.runner.run(self.world.observer.fetchval(query, key)) is not None

    @invariant()
    def somebody_can_go_on(self) -> None:
        """No two wait for each other."""
        stuck = self.world.actors and all(each.is_waiting for each in self.world.actors)
        assert not stuck, [each.move and each.move.name for each in self.world.actors]


def _is_claim(outcome: object) -> bool:
    return isinstance(outcome, SubmissionClaim | DoubtClaim | DownloadClaim | PollClaim)


def test_the_repositories_do_what_the_model_says(database_url: str) -> None:
    with asyncio.Runner() as runner:

        class OnThisDatabase(Clerks):
            pass

        OnThisDatabase.runner, OnThisDatabase.url = runner, database_url
        run_state_machine_as_test(
            OnThisDatabase,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize="AMCFLOW_MODEL_EXAMPLES" not in os.environ,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
                phases=(Phase.explicit, Phase.generate),
            ),
        )
