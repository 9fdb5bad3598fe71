"""The machine that Hypothesis drives: several workers, and people, on one database."""

from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from shared.domain.claims import DoubtClaim, DownloadClaim, PollClaim, SubmissionClaim
from tests.integration.builders import make_account, make_instance, make_request
from tests.integration.db.states_actors import ACTORS, Actors, place
from tests.integration.db.states_model import FINAL, Move
from tests.integration.db.states_moves import admission, doubt, downloads, looks, people, submission
from tests.integration.db.states_time import LOOK_OVER, NO_LONGER_FULL

STEPS = 80

who = st.integers(0, ACTORS - 1)
held = st.sampled_from([False, False, True])
"""Whether the transaction stays open."""
AMC_IDS = 12
amc_ids = st.integers(0, AMC_IDS - 1).map("amc-{}".format)
candidates = st.lists(amc_ids, max_size=3, unique=True)
several = st.lists(place, min_size=1, max_size=4)
SEEN = st.sampled_from(["pending", "running", "downloading", "failed", "cancelled"])
DOWNLOADING = ("renew", "postpone", "fail", "complete", "complete", "give_back")


class Clerks(Actors):
    """Several workers, and people, on one database.

    No rule has a precondition. Which of two that wait for a lock goes first, no seed decides, and
    Hypothesis takes it for an error of ours if the same choices offer other rules the next time.
    Whoever finds nothing to do does what leads there.
    """

    @initialize(
        limits=st.lists(st.integers(1, 2), min_size=3, max_size=3), account=st.integers(1, 4)
    )
    def begin(self, limits: list[int], account: int) -> None:
        """Two instances share an account, a third has one of its own."""

        async def made() -> None:
            shared = await make_account(self.pool, max_concurrent_executions=account)
            for limit, home in zip(limits, (shared, shared, None), strict=True):
                instance = await make_instance(self.pool, home, max_concurrent_executions=limit)
                self.world.instances.append(instance)

        self.runner.run(made())
        self.accept(0, False, at=[0, 0, 0, 1, 1, 2], number=0, key=None, timed=True)

    # --- asking -----------------------------------------------------------------------------

    @rule(
        actor=who, held=held, at=st.lists(place, min_size=1, max_size=4), number=place,
        key=st.none() | st.sampled_from("abcdef"), timed=st.booleans(),
    )  # fmt: skip
    def accept(
        self, actor: int, held: bool, at: list[int], number: int, key: str | None, timed: bool
    ) -> None:
        requests = [
            make_request(
                self._instance(each),
                self.workflow,
                id=UUID(int=next(self.numbers)),
                priority=(number + each) % 3,
                lane="ab"[each % 2],
                queue_timeout_seconds=3600 if timed else None,
            )
            for each in at
        ]
        move = admission.accept(requests, key, lambda: next(self.world.ticks))
        self._make(actor, held, move)

    @rule(actor=who, held=held, at=st.sets(place, min_size=1, max_size=3))
    def admit(self, actor: int, held: bool, at: set[int]) -> None:
        self._make(actor, held, admission.admit({self._instance(each).key for each in at}))

    # --- workers ----------------------------------------------------------------------------

    @rule(actor=who, held=held, at=place, ways=several, made=amc_ids)
    def submit(self, actor: int, held: bool, at: int, ways: list[int], made: str) -> None:
        """The next things, or others, that a submitter does with an execution it holds."""
        executions = self._executions("submitting")
        if not executions:
            self.accept(actor, held, at=[at], number=at, key=None, timed=False)
            return
        execution = executions[at % len(executions)]
        for number, way in enumerate(ways, start=1):
            found = self.world.model.executions[execution]
            if found.state == "submitting":
                move = self._next_of_submission(execution, way, made)
                self._make(actor, held and number == len(ways), move)

    def _next_of_submission(self, execution: UUID, way: int, made: str) -> Move:
        found = self.world.model.executions[execution]
        claim = self._claim_of(execution, SubmissionClaim)
        if claim is None or not (found.has_intent or found.is_owned):
            return submission.claim_for_submission(execution)
        others = [
            submission.end_submission(claim, "failed"),
            submission.end_submission(claim, "cancelled"),
            submission.cancel_if_requested(claim),
            submission.requeue(claim, pauses=way % 2 == 0),
            submission.postpone(claim),
            submission.claim_for_submission(execution),
        ]
        if found.has_intent and way >= 85:
            # Too late for us to stop it: AMC must be asked once it is bound.
            return people.cancel(execution)
        if way >= 75:
            return others[way % len(others)]
        return submission.bind(claim, made) if found.has_intent else submission.record_intent(claim)

    @rule(actor=who, held=held, at=place)
    def queue_timeout_comes_late(self, actor: int, held: bool, at: int) -> None:
        """It fires while a submitter has it; what goes back in line must have a new one."""
        executions = self._executions("submitting")
        if not executions:
            self.accept(actor, held, at=[at], number=at, key=None, timed=True)
            return
        execution = executions[at % len(executions)]
        self._make(actor, False, people.expire(execution))
        claim = self._claim_of(execution, SubmissionClaim)
        if claim is None or not self.world.model.is_ours(claim, "submitting"):
            self._make(actor, held, submission.claim_for_submission(execution))
        else:
            self._make(actor, held, submission.requeue(claim, pauses=at % 2 == 0))

    @rule(actor=who, held=held, at=place, ways=several, seen=candidates)
    def settle(self, actor: int, held: bool, at: int, ways: list[int], seen: list[str]) -> None:
        """What a reconciler does with an execution in doubt."""
        executions = self._doubtful()
        if not executions:
            self._doubt(actor, held, at, ways)
            return
        execution = executions[at % len(executions)]
        for number, way in enumerate(ways, start=1):
            claim = self._claim_of(execution, DoubtClaim)
            if way >= 85:
                move = people.cancel(execution)
            elif claim is None or not self.world.model.is_ours(claim, "submitting"):
                move = doubt.claim_for_reconciliation(execution)
            else:
                is_asked = self.world.model.executions[execution].is_cancel_asked
                others = [
                    doubt.adopt(claim, seen),
                    doubt.give_up(claim),
                    doubt.leave_in_doubt(claim),
                    doubt.give_up(claim) if is_asked else doubt.claim_for_reconciliation(execution),
                ]
                move = others[way % len(others)]
            self._make(actor, held and number == len(ways), move)

    def _doubt(self, actor: int, held: bool, at: int, ways: list[int]) -> None:
        """What leads to a doubt: an intent whose time passes."""
        known = self.world.model.executions
        intended = [each for each, found in known.items() if found.has_intent]
        if intended:
            self._end_lease(intended[at % len(intended)])
        else:
            self.submit(actor, held, at, ways, f"amc-{at % AMC_IDS}")

    def _doubtful(self) -> list[UUID]:
        known = self.world.model.executions
        return [each for each, found in known.items() if found.has_intent and found.is_settled]

    @rule(actor=who, held=held, at=place, seen=st.lists(SEEN, min_size=1, max_size=4))
    def observe(self, actor: int, held: bool, at: int, seen: list[str]) -> None:
        known = self.world.model.executions
        there = self._executions("pending", "running")
        if not there:
            self.submit(actor, held, at, [at], f"amc-{at % AMC_IDS}")
            return
        instance = known[there[at % len(there)]].instance
        told = [each for each in there if known[each].instance == instance]
        told += [each for each, found in known.items() if found.state in FINAL][:1]
        self._make(actor, held, looks.observe(instance, list(zip(told, seen, strict=False))))

    @rule(actor=who, held=held, at=place, is_last=st.booleans())
    def look(self, actor: int, held: bool, at: int, is_last: bool) -> None:
        """Begin a look at an instance, or end one."""
        instance = self._instance(at).key
        claims = [each for each in self.claims if isinstance(each, PollClaim)]
        if claims and at >= 40:
            claim = claims[-1]
            due = self.dues.get(claim.destination.instance)
            self._make(actor, held, looks.finish_look(claim, due, is_last=is_last))
        else:
            query = "select due_at from timers where kind = 'poll_instance' and key = $1"
            self.dues[instance] = self.runner.run(self.pool.fetchval(query, str(instance)))
            self._make(actor, held, looks.begin_look(instance))

    @rule(
        actor=who,
        held=held,
        at=place,
        ways=st.lists(st.sampled_from(DOWNLOADING), min_size=1, max_size=3),
    )
    def download(self, actor: int, held: bool, at: int, ways: list[str]) -> None:
        executions = self._executions("downloading")
        if not executions:
            self.observe(actor, held, at, ["downloading"])
            return
        execution = executions[at % len(executions)]
        for number, way in enumerate(ways, start=1):
            claim = self._claim_of(execution, DownloadClaim)
            found = self.world.model.executions[execution]
            # Half of those who lost their lease are overtaken.
            is_free = not found.is_owned or (found.is_expired and at % 2 == 0)
            move = (
                downloads.claim_for_download(execution)
                if claim is None or is_free
                else downloads.work_on_download(claim, way)
            )
            self._make(actor, held and number == len(ways), move)

    @rule(actor=who, held=held, at=place)
    def overtaken_load(self, actor: int, held: bool, at: int) -> None:
        """One that has all rows in hand, and whose lease another has taken over."""
        executions = self._executions("downloading")
        if not executions:
            self.observe(actor, held, at, ["downloading"])
            return
        execution = executions[at % len(executions)]
        claim = self._claim_of(execution, DownloadClaim)
        self._end_lease(execution)
        self._make(actor, False, downloads.claim_for_download(execution))
        if claim is not None:
            self._make(actor, held, downloads.work_on_download(claim, "complete"))

    @rule(actor=who, held=held, at=place, way=place, amc_id=amc_ids)
    def awake_again(self, actor: int, held: bool, at: int, way: int, amc_id: str) -> None:
        """A worker that was given up for dead goes on where it stopped."""
        if not self.claims:
            self.submit(actor, held, at, [at], amc_id)
            return
        # Best one whose work somebody else has taken over.
        claims = [each for each in self.claims if self._is_overtaken(each)] or self.claims
        claim = claims[at % len(claims)]
        match claim:
            case SubmissionClaim():
                ways = [
                    submission.record_intent(claim),
                    submission.bind(claim, amc_id),
                    submission.postpone(claim),
                    submission.requeue(claim, pauses=False),
                    submission.end_submission(claim, "failed"),
                ]
            case DoubtClaim():
                ways = [
                    submission.bind(claim, amc_id),
                    doubt.give_up(claim),
                    doubt.adopt(claim, [amc_id]),
                ]
            case DownloadClaim():
                ways = [downloads.work_on_download(claim, what) for what in DOWNLOADING]
            case _:
                ways = [looks.finish_look(claim, None, is_last=False)]
        self._make(actor, held, ways[way % len(ways)])

    def _is_overtaken(self, claim: Any) -> bool:
        if isinstance(claim, PollClaim):
            return False
        found = self.world.model.executions[claim.execution_id]
        return found.fence > claim.fence and found.state not in FINAL

    # --- people and rescuers ----------------------------------------------------------------

    @rule(actor=who, held=held, at=place, way=place)
    def intervene(self, actor: int, held: bool, at: int, way: int) -> None:
        open_ones = self._executions("queued", "submitting", "pending", "running", "downloading")
        executions = open_ones or list(self.world.model.executions)
        execution = executions[at % len(executions)]
        ways = [
            people.cancel,
            people.cancel,
            people.expire,
            people.fail_parked,
            looks.deadline_passed,
        ]
        self._make(actor, held, ways[way % len(ways)](execution))

    @rule(actor=who, held=held, at=place, way=place, limit=st.integers(1, 4))
    def control(self, actor: int, held: bool, at: int, way: int, limit: int) -> None:
        instance = self._instance(at)
        there = [each.key for each in self.world.instances if each.account == instance.account]
        ways = [
            people.pause(instance.key),
            people.resume(instance.key),
            people.limit_instance(instance.key, limit),
            people.limit_account(instance.account, there, limit),
            admission.rescue(),
        ]
        self._make(actor, held, ways[way % len(ways)])

    # --- time -------------------------------------------------------------------------------

    @rule(at=place)
    def a_lease_ends(self, at: int) -> None:
        executions = self._executions("submitting", "downloading")
        if executions:
            self._end_lease(executions[at % len(executions)])

    @rule(at=place)
    def amc_has_room_again(self, at: int) -> None:
        instances = sorted(self.world.model.full)
        if not instances:
            return
        instance = instances[at % len(instances)]
        if self._passes(NO_LONGER_FULL, instance):
            self.world.model.full.discard(instance)
            # The timer `admit_instance` looks next.
            self.world.model.hints[instance] = next(self.world.ticks)

    @rule(at=place)
    def a_look_is_over(self, at: int) -> None:
        """Whoever held the instance has died."""
        self._passes(LOOK_OVER, self._instance(at).key)

    @invariant()
    def somebody_can_go_on(self) -> None:
        """No two wait for each other."""
        stuck = all(each.is_waiting for each in self.world.actors)
        assert not stuck, [each.move and each.move.name for each in self.world.actors]
