"""A comparison on the real database and an AMC in memory: what is found, and what becomes of it."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.submitter.compare_handler import CompareHandler
from shared.db.reconciliations import (
    Comparisons,
    Finding,
    NotAdoptable,
    NotCancellable,
    Reconciliation,
    Reconciliations,
)
from shared.domain.errors import (
    AmcThrottled,
    AmcUnavailable,
    DatabaseUnavailable,
    InstanceForbidden,
    NotFound,
    StaleTransition,
)
from shared.messaging.messages import ReconcileInstance
from tests.integration.builders import (
    commands,
    gathered,
    make_account,
    make_instance,
    row_of,
    timer_in,
    until,
)
from tests.integration.workers.conftest import LEASE, Bench, Flaky

DAY = timedelta(days=1)


@dataclass
class Office:
    """Somebody who compares, and decides."""

    bench: Bench

    @property
    def desk(self) -> Reconciliations:
        return Reconciliations(self.bench.database)

    async def ask(self) -> UUID:
        since = datetime.now(UTC) - DAY
        (run,) = await self.desk.ask([self.bench.instance.key], since=since, by="anna")
        return run.id

    async def compare(self, run: UUID, comparisons: Any = None, **policy: Any) -> Reconciliation:
        handler = CompareHandler(
            comparisons or Comparisons(self.bench.database),
            self.bench.amc,
            self.bench.reach,
            lease=LEASE,
            **policy,
        )
        await handler(ReconcileInstance(reconciliation_id=run))
        return await self.desk.get(run)

    async def compared(self) -> UUID:
        run = await self.ask()
        assert (await self.compare(run)).status == "done"
        return run

    async def found(self, run: UUID, kind: str | None = None) -> list[Finding]:
        return await self.desk.findings(run, kind=kind, after=0, limit=200)

    async def kinds(self) -> dict[str, str]:
        return {
            each.amc_execution_id: each.kind for each in await self.found(await self.compared())
        }

    async def adopt(self, run: UUID, name: str) -> Finding:
        await self.desk.adopt(run, name, by="anna", request_id="r-1")
        return await self.desk.finding(run, name)

    async def attempt(self, outcome: str, mark: int, execution: UUID | None = None) -> UUID:
        execution = execution or await self.bench.execution("submitting")
        await self.bench.database.execute(
            "insert into submission_attempts (execution_id, attempt, instance_id, amc_workflow_id,"
            " timeout_seconds, outcome) values ($1, 1, $2, $3, $4, $5)",
            execution,
            self.bench.instance.key,
            self.bench.workflow.amc_workflow_id,
            mark,
            outcome,
        )
        return execution

    async def in_doubt(self, mark: int = 1000) -> UUID:
        execution = await self.bench.execution(
            "submitting", intent_at=datetime.now(UTC), amc_timeout_seconds=mark, attempt=1
        )
        return await self.attempt("intended", mark, execution)

    def ours(self, name: str, **members: Any) -> None:
        """An execution at AMC of our workflow."""
        self.bench.amc.make(name, workflow=self.bench.workflow.amc_workflow_id, **members)

    async def timer(self, run: UUID) -> float | None:
        return await timer_in(self.bench.database, "reconcile_instance", run)


@pytest.fixture
def office(bench: Bench) -> Office:
    return Office(bench)


async def test_what_is_asked_for_waits_with_a_timer(office: Office) -> None:
    run = await office.ask()

    assert (await office.desk.get(run)).status == "waiting"
    assert (await office.timer(run) or 1) <= 0


async def test_all_instances_are_compared_and_one_without_a_login_has_failed(
    office: Office,
) -> None:
    account = await make_account(office.bench.database, credential_id=None)
    await make_instance(office.bench.database, account)

    runs = await office.desk.ask(None, since=datetime.now(UTC) - DAY, by="anna")

    assert [(run.status, run.error_code) for run in runs] == [
        ("waiting", None),
        ("failed", "no_credential"),
    ]


async def test_what_rows_own_is_not_found_and_the_rest_is_told_apart(office: Office) -> None:
    await office.bench.at_amc("running")
    await office.bench.at_amc("completed")
    await office.attempt("given_up", 1001)
    await office.attempt("bound", 1002)
    await office.in_doubt(1003)
    for name, timeout in (("lost", 1001), ("twin", 1002), ("doubted", 1003), ("by hand", 999)):
        office.ours(name, timeout_seconds=timeout)
    office.bench.amc.make("others", workflow="somebody's", timeout_seconds=1001)

    assert await office.kinds() == {
        "lost": "stray",
        "twin": "stray",
        "doubted": "in_doubt",
        "by hand": "foreign",
        "others": "foreign",
    }


async def test_an_open_create_may_have_made_what_shows_no_timeout(office: Office) -> None:
    await office.in_doubt()
    office.ours("unmarked", timeout_seconds=None)

    assert await office.kinds() == {"unmarked": "in_doubt"}


async def test_every_page_is_read_and_one_that_shows_twice_counts_once(office: Office) -> None:
    office.bench.amc.page_size = 2
    for number in range(5):
        office.ours(f"amc-{number}")

    run = await office.ask()
    done = await office.compare(run)

    assert (done.listed_count, done.is_complete, done.foreign_count) == (5, True, 5)
    assert office.bench.amc.count("list_executions") == 3
    assert await office.timer(run) is None


async def test_a_list_without_end_is_cut_and_says_so(office: Office) -> None:
    office.bench.amc.page_size = 1
    for number in range(3):
        office.ours(f"amc-{number}")

    done = await office.compare(await office.ask(), most_pages=2)

    assert (done.status, done.is_complete, done.listed_count) == ("done", False, 2)


@pytest.mark.parametrize("error", [AmcThrottled(wait=timedelta(seconds=40)), AmcUnavailable("no")])
async def test_what_amc_does_not_answer_is_asked_again_later(
    office: Office, error: Exception
) -> None:
    run = await office.ask()
    office.bench.amc.will("list_executions", error)

    waiting = await office.compare(run)
    due = await office.timer(run)
    done = await office.compare(run)

    assert (waiting.status, waiting.error_code) == ("waiting", getattr(error, "code", None))
    assert due is not None
    assert due > 3
    assert (done.status, done.error_code) == ("done", None)


async def test_what_amc_refuses_ends_the_run_with_its_reason(office: Office) -> None:
    run = await office.ask()
    office.bench.amc.will("list_executions", InstanceForbidden("no"))

    failed = await office.compare(run)

    assert (failed.status, failed.error_code) == ("failed", "instance_forbidden")
    assert await office.timer(run) is None


async def test_a_run_that_amc_never_answers_ends_after_an_hour(office: Office) -> None:
    run = await office.ask()
    await office.bench.database.execute(
        "update reconciliations set requested_at = requested_at - interval '61 minutes'"
    )
    office.bench.amc.will("list_executions", AmcUnavailable("no"))

    assert (await office.compare(run)).status == "failed"


async def test_a_second_delivery_finds_the_run_held_or_ended(office: Office) -> None:
    run = await office.ask()
    await Comparisons(office.bench.database).claim(run, lease=LEASE)
    with pytest.raises(StaleTransition):
        await office.compare(run)
    await office.bench.database.execute("update reconciliations set lease_until = '-infinity'")
    await office.compare(run)

    with pytest.raises(StaleTransition):
        await office.compare(run)

    assert office.bench.amc.count("list_executions") == 1


async def test_dying_before_the_findings_are_stored_leaves_the_run_to_the_next(
    office: Office,
) -> None:
    office.ours("by hand")
    run = await office.ask()
    flaky = Flaky(Comparisons(office.bench.database), "finish", DatabaseUnavailable("away"))

    with pytest.raises(DatabaseUnavailable):
        await office.compare(run, flaky)

    assert await office.timer(run) is not None
    await office.bench.database.execute("update reconciliations set lease_until = '-infinity'")
    assert (await office.compare(run)).foreign_count == 1


async def test_after_a_death_the_next_look_comes_when_the_lease_ends(office: Office) -> None:
    run = await office.ask()
    database = office.bench.database
    await Comparisons(database).claim(run, lease=LEASE)
    guarded = "update timers set due_at = clock_timestamp() + interval '1 hour' where key = $1"
    await database.execute(guarded, str(run))

    with pytest.raises(StaleTransition):
        await office.compare(run)

    assert await database.fetchval(
        "select t.due_at = r.lease_until from timers t join reconciliations r"
        " on r.id::text = t.key where r.id = $1",
        run,
    )


async def test_who_comes_too_late_stores_nothing(office: Office) -> None:
    comparisons = Comparisons(office.bench.database)
    run = await office.ask()
    late = await comparisons.claim(run, lease=timedelta(0))
    await comparisons.claim(run, lease=LEASE)

    with pytest.raises(StaleTransition):
        await comparisons.finish(late, [], is_complete=True)


async def test_an_adopted_one_that_runs_is_followed_like_any_other(office: Office) -> None:
    office.ours(
        "by hand",
        timeout_seconds=4000,
        time_window_start=datetime(2026, 1, 1, tzinfo=UTC),
        time_window_end=datetime(2026, 1, 2, tzinfo=UTC),
        parameter_values={"brand": "x", "odd": 1},
    )
    run = await office.compared()

    finding = await office.adopt(run, "by hand")

    assert (finding.decision, finding.decided_by) == ("adopted", "anna")
    assert finding.adopted_as is not None
    row = await row_of(office.bench.database, finding.adopted_as)
    assert (row["state"], row["amc_execution_id"], row["owner"]) == ("pending", "by hand", "anna")
    assert (row["time_window_type"], row["parameters"]) == ("EXPLICIT", {"brand": "x"})
    assert await office.bench.events(finding.adopted_as) == ["state_changed", "adopted"]
    office.bench.amc.becomes("by hand", "SUCCEEDED")
    await office.bench.look()
    assert (await row_of(office.bench.database, finding.adopted_as))["state"] == "downloading"


async def test_an_adopted_one_that_has_ended_well_is_downloaded(office: Office) -> None:
    office.ours("by hand", status="SUCCEEDED")
    run = await office.compared()

    finding = await office.adopt(run, "by hand")

    assert finding.adopted_as is not None
    assert (await row_of(office.bench.database, finding.adopted_as))["state"] == "downloading"
    assert await commands(office.bench.database, "download_result") == [
        {"execution_id": str(finding.adopted_as)}
    ]


async def test_two_people_at_once_adopt_it_once(office: Office) -> None:
    office.ours("by hand")
    run = await office.compared()

    outcomes = await gathered([office.adopt(run, "by hand") for _ in range(4)])

    assert sum(isinstance(each, Finding) for each in outcomes) == 1
    assert sum(isinstance(each, NotAdoptable) for each in outcomes) == 3


@pytest.mark.parametrize("limits", [("amc_instances", 1), ("amc_accounts", 1)])
async def test_nothing_is_adopted_above_a_limit(office: Office, limits: tuple[str, int]) -> None:
    table, most = limits
    await office.bench.database.execute(f"update {table} set max_concurrent_executions = {most}")
    await office.bench.at_amc("running")
    office.ours("by hand")
    office.ours("ended", status="SUCCEEDED")
    run = await office.compared()

    with pytest.raises(NotAdoptable, match="limit"):
        await office.adopt(run, "by hand")

    assert (await office.adopt(run, "ended")).decision == "adopted"


async def test_many_adoptions_at_once_stay_within_the_limit(office: Office) -> None:
    await office.bench.database.execute("update amc_instances set max_concurrent_executions = 3")
    for number in range(8):
        office.ours(f"amc-{number}")
    run = await office.compared()

    outcomes = await gathered([office.adopt(run, f"amc-{number}") for number in range(8)])

    assert sum(isinstance(each, Finding) for each in outcomes) == 3


async def test_who_adopts_waits_for_the_gate_and_sees_the_slot_that_was_taken(
    office: Office,
) -> None:
    database, account = office.bench.database, office.bench.instance.account
    await database.execute("update amc_instances set max_concurrent_executions = 1")
    office.ours("by hand")
    run = await office.compared()

    async def waiting() -> bool:
        return bool(
            await database.fetchval(
                "select exists (select from pg_stat_activity where datname = current_database()"
                " and wait_event_type = 'Lock' and query like '%adopt_execution%')"
            )
        )

    async with asyncio.TaskGroup() as group, database.transaction() as holder:
        await holder.execute("select lock_gates_v1(array[$1::int])", account)
        adopting = group.create_task(gathered([office.adopt(run, "by hand")]))
        await until(waiting)
        await office.bench.at_amc("running")

    assert [type(each) for each in adopting.result()] == [NotAdoptable]


async def test_what_a_doubt_may_own_is_left_to_the_rule_that_settles_it(office: Office) -> None:
    execution = await office.in_doubt()
    office.ours("made", timeout_seconds=1000)
    office.ours("by hand", timeout_seconds=999)
    run = await office.compared()

    findings = [await office.adopt(run, name) for name in ("made", "by hand")]

    assert [each.decision for each in findings] == ["settling", "settling"]
    assert (
        await commands(office.bench.database, "reconcile_execution")
        == [{"execution_id": str(execution)}] * 2
    )
    await office.bench.settle()
    await office.bench.reconcile(execution)
    assert (await row_of(office.bench.database, execution))["amc_execution_id"] == "made"
    with pytest.raises(NotAdoptable, match="belongs to"):
        await office.adopt(run, "made")
    assert (await office.adopt(run, "by hand")).decision == "adopted"


@pytest.mark.parametrize("status", ["FAILED", "REJECTED", "CANCELLED"])
async def test_what_has_ended_without_a_result_is_not_adopted(office: Office, status: str) -> None:
    office.ours("by hand", status=status)

    with pytest.raises(NotAdoptable, match="without a result"):
        await office.adopt(await office.compared(), "by hand")


async def test_what_runs_somebody_elses_workflow_is_not_adopted(office: Office) -> None:
    office.bench.amc.make("others", workflow="somebody's")

    with pytest.raises(NotAdoptable, match="not saved here"):
        await office.adopt(await office.compared(), "others")


async def test_a_stray_is_cancelled_on_request_and_then_not_adopted(office: Office) -> None:
    await office.attempt("given_up", 1001)
    office.ours("lost", timeout_seconds=1001)
    run = await office.compared()

    await office.desk.cancel(run, "lost", by="anna")

    assert await commands(office.bench.database, "cancel_stray") == [
        {"instance_id": office.bench.instance.key, "amc_execution_id": "lost"}
    ]
    assert (await office.desk.finding(run, "lost")).decision == "cancelling"
    with pytest.raises(NotAdoptable, match="stray"):
        await office.adopt(run, "lost")
    await office.bench.cancel_stray("lost")
    assert office.bench.amc.executions["lost"].status == "CANCELLED"
    assert await office.kinds() == {"lost": "stray"}


async def test_nothing_that_is_or_may_be_somebodys_is_cancelled(office: Office) -> None:
    await office.attempt("given_up", 1001)
    await office.in_doubt(1003)
    office.ours("by hand", timeout_seconds=999)
    office.ours("doubted", timeout_seconds=1003)
    office.ours("lost", timeout_seconds=1001)
    run = await office.compared()
    await office.bench.execution("running", amc_execution_id="lost")

    for name, why in (("by hand", "mark"), ("doubted", "may be"), ("lost", "belongs to")):
        with pytest.raises(NotCancellable, match=why):
            await office.desk.cancel(run, name, by="anna")

    assert await commands(office.bench.database, "cancel_stray") == []


async def test_what_was_not_found_is_not_decided_on(office: Office) -> None:
    run = await office.compared()

    with pytest.raises(NotFound):
        await office.adopt(run, "nothing")
    with pytest.raises(NotFound):
        await office.desk.cancel(run, "nothing", by="anna")
