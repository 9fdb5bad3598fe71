"""What a look makes of AMC's words: nothing is believed too early, or written twice."""

from typing import Any

import pytest

from shared.amc.models import OutputColumn
from tests.integration.builders import (
    accept,
    commands,
    make_request,
    state_of,
    states_of,
)
from tests.integration.workers.bench import OLD, Bench


async def versions(bench: Bench) -> list[str]:
    """Which transaction wrote each row last."""
    rows = await bench.database.fetch("select xmin::text from workflow_executions order by id")
    return [row["xmin"] for row in rows]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("PENDING", "pending"),
        ("RUNNING", "running"),
        ("PUBLISHING", "running"),
        ("HALF_DONE", "running"),
        ("SUCCEEDED", "downloading"),
        ("FAILED", "failed"),
        ("REJECTED", "failed"),
        ("CANCELLED", "failed"),
    ],
)
async def test_amcs_word_moves_an_execution(bench: Bench, status: str, state: str) -> None:
    execution = await bench.at_amc("pending")
    await bench.says(execution, status, status_reason="because")

    await bench.look()

    row = await bench.row(execution)
    assert (row["state"], row["amc_status"], row["amc_status_reason"]) == (state, status, "because")


@pytest.mark.parametrize(
    ("status", "code"), [("FAILED", "remote_failed"), ("REJECTED", "query_rejected")]
)
async def test_a_failure_carries_amcs_reason_and_a_hint(
    bench: Bench, status: str, code: str
) -> None:
    execution = await bench.at_amc()
    await bench.says(execution, status, status_reason="column x is not there")

    await bench.look()

    row = await bench.row(execution)
    assert row["error_code"] == code
    assert "column x is not there" in row["error_message"]
    assert row["error_hint"]


async def test_one_list_call_moves_a_hundred_executions_and_hands_their_slots_on(
    bench: Bench,
) -> None:
    await bench.database.execute("update amc_instances set max_concurrent_executions = 60")
    executions = [await bench.at_amc() for _ in range(60)]
    waiting = await accept(
        bench.database, *(make_request(bench.instance, bench.workflow) for _ in range(60))
    )
    for execution in executions:
        await bench.says(execution, "SUCCEEDED", output_location="s3://bucket/key")

    await bench.look()

    assert set(await states_of(bench.database, executions)) == {"downloading"}
    assert set(await states_of(bench.database, waiting)) == {"submitting"}
    assert len(await commands(bench.database, "download_result")) == 60
    assert [name for name, _ in bench.amc.calls] == ["list_executions"]


async def test_what_a_look_learned_of_the_result_goes_with_it(bench: Bench) -> None:
    execution = await bench.at_amc()
    await bench.says(
        execution,
        "SUCCEEDED",
        output_location="s3://bucket/key",
        output_columns=(OutputColumn("spend", "DOUBLE"),),
    )

    await bench.look()

    row = await bench.row(execution)
    assert row["output_location"] == "s3://bucket/key"
    assert row["output_columns"] == [["spend", "DOUBLE"]]


async def test_nothing_moves_backwards(bench: Bench) -> None:
    execution = await bench.at_amc()
    await bench.says(execution, "PENDING")

    await bench.look()

    assert await state_of(bench.database, execution) == "running"


async def test_absence_from_a_list_proves_nothing(bench: Bench) -> None:
    execution = await bench.at_amc(amc_created_at=OLD)
    bench.amc.unlisted = set(bench.amc.executions)

    for _ in range(3):
        await bench.look()

    assert await state_of(bench.database, execution) == "running"


async def test_a_denial_counts_the_second_time_and_after_five_minutes(bench: Bench) -> None:
    execution = await bench.execution("running", amc_created_at=OLD)

    await bench.look()
    after_one = await state_of(bench.database, execution)
    await bench.look()

    row = await bench.row(execution)
    assert after_one == "running"
    assert (row["state"], row["error_code"]) == ("failed", "remote_not_found")
    assert row["error_hint"]


async def test_a_denial_of_something_young_does_not_count(bench: Bench) -> None:
    execution = await bench.execution("running")

    for _ in range(3):
        await bench.look()
    await bench.database.execute("update workflow_executions set amc_created_at = $1", OLD)
    await bench.look()

    assert await state_of(bench.database, execution) == "running"


async def test_being_seen_again_takes_a_denial_back(bench: Bench) -> None:
    execution = await bench.execution("running", amc_created_at=OLD, amc_execution_id="late")
    await bench.look()

    bench.amc.make("late", workflow=bench.workflow.amc_workflow_id, status="RUNNING")
    await bench.look()
    del bench.amc.executions["late"]
    await bench.look()

    assert await state_of(bench.database, execution) == "running"


async def test_what_amc_says_again_is_not_written_again(bench: Bench) -> None:
    for state in ("pending", "running"):
        await bench.at_amc(state)
    before = await versions(bench)

    await bench.look()

    assert bench.amc.count("list_executions") == 1
    assert await versions(bench) == before


@pytest.mark.parametrize(
    "news",
    [
        {"status": "PUBLISHING"},
        {"status_reason": "data are late"},
        {"output_location": "s3://bucket/key"},
        {"output_columns": (OutputColumn("campaign", "STRING"),)},
    ],
    ids=",".join,
)
async def test_each_new_word_of_amc_about_what_still_runs_is_kept(
    bench: Bench, news: dict[str, Any]
) -> None:
    execution = await bench.at_amc("running")
    before = await versions(bench)
    await bench.says(execution, **{"status": "RUNNING", **news})

    await bench.look()

    row = await bench.row(execution)
    assert row["amc_status"] == news.get("status", "RUNNING")
    assert row["amc_status_reason"] == news.get("status_reason")
    assert row["output_location"] == news.get("output_location")
    assert (row["output_columns"] is not None) == ("output_columns" in news)
    assert await versions(bench) != before


async def test_an_execution_that_a_page_shows_twice_is_observed_once(bench: Bench) -> None:
    execution = await bench.at_amc()
    await bench.says(execution, "SUCCEEDED")
    (shown,) = bench.amc.executions.values()
    bench.amc.executions["again"] = shown

    await bench.look()

    assert await state_of(bench.database, execution) == "downloading"
