"""States in time: validation, places, order of starts, ends."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.simulator.bodies import ExecutionBody, WorkflowBody
from services.simulator.engine import Engine
from services.simulator.execution import Order, Status, Workflow
from services.simulator.settings import SimulatorSettings
from services.simulator.simulator import build_simulator
from services.simulator.sql.compiler import compile_query
from services.simulator.switches import Switches
from services.simulator.windows import resolve_window

SQL = "SELECT campaign, COUNT(*) AS n FROM dsp_clicks GROUP BY 1"


class FrozenClock:
    def __init__(self) -> None:
        self.at = 1_790_000_000.0

    def now(self) -> float:
        return self.at


class Bench:
    """An engine with one instance and its clock."""

    def __init__(self, **options) -> None:
        self.clock = FrozenClock()
        known = {"engine": "made-up", "duration_profile": "fixed:60", **options}
        self.simulator = build_simulator(SimulatorSettings(**known), self.clock)
        self.instance = self.simulator.world.instances["amcsimnwus1"]
        self.engine: Engine = self.simulator.engine

    def create(self, sql: str = SQL, instance_id: str | None = None, **members):
        body = ExecutionBody.model_validate({"workflowId": "w", **members})
        order = Order(
            "w", compile_query(sql, {}), body, resolve_window(body, self.clock.at), {}, None, 1
        )
        where = self.simulator.world.instances[instance_id] if instance_id else self.instance
        return self.engine.create(where, order, self.engine.advance())

    def pass_(self, seconds: float) -> None:
        self.clock.at += seconds
        self.engine.advance()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_execution_is_pending_until_it_was_validated(bench):
    execution = bench.create()

    bench.pass_(1.9)
    assert execution.status is Status.PENDING
    bench.pass_(0.2)
    assert execution.status is Status.RUNNING
    assert execution.validated_at == execution.created_at + 2


def test_an_execution_ends_when_its_duration_is_over(bench):
    execution = bench.create()

    bench.pass_(61.9)
    assert execution.status is Status.RUNNING
    bench.pass_(0.2)
    assert execution.status is Status.SUCCEEDED
    assert execution.finished_at == execution.created_at + 62


def test_time_scale_shortens_validation_and_running():
    bench = Bench(time_scale=60)
    execution = bench.create()

    bench.pass_(100)

    assert execution.finished_at == pytest.approx(execution.created_at + 62 / 60)
    assert execution.run_seconds == 60


def test_surplus_executions_stay_pending_and_start_in_order(bench):
    made = [bench.create() for _ in range(13)]

    bench.pass_(3)
    assert [e.status for e in made] == [Status.RUNNING] * 10 + [Status.PENDING] * 3
    bench.pass_(60)
    assert [e.status for e in made] == [Status.SUCCEEDED] * 10 + [Status.RUNNING] * 3
    assert bench.instance.traffic.tally.peak_running == 10
    assert bench.instance.traffic.tally.peak_active == 13


def test_a_cancelled_execution_gives_its_place_to_the_next_at_once(bench):
    made = [bench.create() for _ in range(11)]
    bench.pass_(3)

    bench.engine.cancel(made[0], bench.clock.at)

    assert made[0].status is Status.CANCELLED
    assert made[10].status is Status.RUNNING
    assert made[10].started_at == bench.clock.at


def test_an_execution_cancelled_while_it_waits_never_runs(bench):
    made = [bench.create() for _ in range(12)]
    bench.pass_(3)

    bench.engine.cancel(made[10], bench.clock.at)
    bench.pass_(60)

    assert made[10].started_at is None
    assert made[11].status is Status.RUNNING


def test_a_cancelled_execution_stays_cancelled_when_its_time_comes(bench):
    execution = bench.create()
    bench.pass_(3)

    bench.engine.cancel(execution, bench.clock.at)
    bench.pass_(1000)

    assert execution.status is Status.CANCELLED
    assert bench.instance.active == bench.instance.running == 0


def test_the_account_limit_holds_over_its_instances():
    bench = Bench(max_concurrent_executions_per_account=3)
    first = [bench.create() for _ in range(2)]
    second = [bench.create(instance_id="amcsimnwus2") for _ in range(2)]

    bench.pass_(3)
    assert [e.status for e in second] == [Status.RUNNING, Status.PENDING]
    bench.engine.cancel(first[0], bench.clock.at)

    assert second[1].status is Status.RUNNING
    assert bench.instance.account.peak_running == 3


def test_the_instance_that_waited_longest_gets_the_accounts_next_place():
    bench = Bench(max_concurrent_executions_per_account=1)
    first = bench.create(instance_id="amcsimnwus2")
    bench.clock.at += 1
    elder = bench.create(instance_id="amcsimnwus2")
    bench.clock.at += 1
    younger = bench.create()
    bench.pass_(3)

    bench.engine.cancel(first, bench.clock.at)

    assert (elder.status, younger.status) == (Status.RUNNING, Status.PENDING)


def test_an_instance_may_have_a_limit_of_its_own(bench):
    own = {"max_concurrent_executions": 1}
    bench.instance.entry = bench.instance.entry.model_copy(update=own)
    made = [bench.create() for _ in range(2)]

    bench.pass_(3)

    assert [e.status for e in made] == [Status.RUNNING, Status.PENDING]


def test_a_raised_limit_starts_what_waits(bench):
    made = [bench.create() for _ in range(12)]
    bench.pass_(3)

    bench.simulator.switches = Switches(max_concurrent_executions=12)
    bench.engine.refill([bench.instance])

    assert made[11].status is Status.RUNNING


def test_the_fail_directive_ends_in_failed_with_its_text(bench):
    execution = bench.create(f'{SQL} -- simulator: fail "disk is full"')

    bench.pass_(100)

    assert (execution.status, execution.status_reason) == (Status.FAILED, "disk is full")


def test_the_reject_directive_ends_in_rejected_after_validation(bench):
    execution = bench.create(f'{SQL} -- simulator: reject "too many workflows"')

    bench.pass_(2.1)

    assert (execution.status, execution.status_reason) == (Status.REJECTED, "too many workflows")


def test_a_run_longer_than_its_timeout_fails_at_the_timeout():
    bench = Bench(time_scale=10)
    sql = f"{SQL} -- simulator: duration 5000"
    execution = bench.create(sql, workflowExecutionTimeoutSeconds=900)

    bench.pass_(1000)

    assert execution.status is Status.FAILED
    assert "900 seconds" in execution.status_reason
    assert execution.finished_at == pytest.approx(execution.started_at + 90)


def test_a_dry_run_succeeds_right_after_validation_without_a_result(bench):
    execution = bench.create(dryRun=True)

    bench.pass_(2.1)

    assert execution.status is Status.SUCCEEDED
    assert not execution.has_result


def test_the_same_seed_gives_the_same_durations_and_rows():
    def drawn(seed: int) -> list[tuple[float, int]]:
        bench = Bench(seed=seed, duration_profile="lognormal:60:0.5")
        return [(e.run_seconds, e.rows) for e in (bench.create() for _ in range(5))]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


class Runs:
    """Runs that end when the test says so."""

    def __init__(self) -> None:
        self.resumed: list[str] = []
        self.done = False

    def wants(self, execution) -> bool:
        return True

    def resume(self, execution) -> None:
        self.resumed.append(execution.id)

    def is_done(self, execution) -> bool:
        return self.done

    def failure(self, execution) -> str | None:
        execution.rows = 18
        return None


def test_a_restored_run_is_resumed_and_ends_when_its_result_is_there(bench):
    before = bench.create()
    bench.pass_(3)
    again = Bench()
    again.engine.runs = runs = Runs()
    execution = replace(before, instance=again.instance)

    again.engine.restore(execution)
    again.pass_(1000)
    assert (runs.resumed, execution.status) == ([before.id], Status.RUNNING)
    runs.done = True
    again.pass_(1)

    assert (execution.status, execution.rows) == (Status.SUCCEEDED, 18)


def test_wishes_for_filtering_are_those_of_the_creation():
    bench = Bench(engine="duckdb")
    wishes = WorkflowBody.model_validate({"distinctUserCountColumn": "people"})
    execution = bench.create()
    execution.order = replace(execution.order, definition=wishes, controls=False)
    bench.instance.workflows["w"] = Workflow(WorkflowBody(), execution.order.query)
    execution.disable_aggregation_controls = False

    job = bench.engine.runs._job(execution)
    bench.engine.runs.close()

    assert (job.privacy.user_count, job.facts.controls) == ("people", False)


steps = st.lists(
    st.tuples(st.floats(0, 50), st.sampled_from(["create", "create", "cancel", "look"])),
    max_size=40,
)


def replay(moves: list[tuple[float, str]], *, slices: int) -> Bench:
    """A bench after the moves, looked at `slices` times within every wait."""
    bench = Bench(max_concurrent_executions=3)
    for wait, move in moves:
        before = bench.clock.at
        for number in range(1, slices + 1):
            bench.clock.at = before + wait * number / slices
            bench.engine.advance()
        made = bench.instance.executions
        active = [e for e in made if e.status in {Status.PENDING, Status.RUNNING}]
        if move == "create":
            bench.create()
        if move == "cancel" and active:
            bench.engine.cancel(active[0], bench.clock.at)
    bench.pass_(10_000)
    return bench


@settings(max_examples=40, deadline=None)
@given(steps)
def test_looking_often_changes_nothing_and_limits_always_hold(moves):
    seldom, often = replay(moves, slices=1).instance, replay(moves, slices=7).instance

    assert [(e.status, e.started_at) for e in seldom.executions] == [
        (e.status, e.started_at) for e in often.executions
    ]
    assert often.traffic.tally.peak_running <= 3
    assert often.active == often.running == 0


def test_workflow_bodies_take_array_parameters():
    body = WorkflowBody.model_validate(
        {"inputParameters": [{"name": "a", "dataType": {"type": "ARRAY"}}]}
    )

    assert body.input_parameters[0].sql_type == "ARRAY<STRING>"
