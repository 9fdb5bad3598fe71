"""What becomes of executions at AMC that a comparison found: adopted, cancelled, left alone."""

import asyncio
from datetime import UTC, datetime

import pytest

from shared.db.reconciliations import Finding, NotAdoptable, NotCancellable
from shared.domain.errors import NotFound
from tests.integration.builders import commands, gathered, row_of, until
from tests.integration.workers.office import Office


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
