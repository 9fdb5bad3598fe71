"""A stray is seen by a look: made at AMC by an attempt that was settled as never made."""

from uuid import UUID

import pytest

from tests.integration.builders import (
    commands,
    state_of,
)
from tests.integration.workers.bench import Bench


async def give_up(bench: Bench, *, timeout_seconds: int = 22_000) -> UUID:
    execution = await bench.execution("pending", amc_execution_id="ours")
    bench.amc.make("ours", workflow=bench.workflow.amc_workflow_id, timeout_seconds=1)
    await bench.database.execute(
        "insert into submission_attempts (execution_id, attempt, instance_id, amc_workflow_id,"
        " timeout_seconds, outcome) values ($1, 1, $2, $3, $4, 'given_up')",
        execution,
        bench.instance.key,
        bench.workflow.amc_workflow_id,
        timeout_seconds,
    )
    return execution


async def strays(bench: Bench) -> list[str]:
    rows = await bench.database.fetch("select amc_execution_id from stray_executions")
    return [row["amc_execution_id"] for row in rows]


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
async def test_an_attempt_that_was_given_up_and_shows_up_all_the_same_is_cancelled(
    bench: Bench, status: str
) -> None:
    await give_up(bench)
    bench.amc.make(
        "stray", workflow=bench.workflow.amc_workflow_id, timeout_seconds=22_000, status=status
    )

    await bench.look()
    await bench.look()

    assert await strays(bench) == ["stray"]
    assert await commands(bench.database, "cancel_stray") == [
        {"instance_id": bench.instance.key, "amc_execution_id": "stray"}
    ]


@pytest.mark.parametrize(
    "members",
    [
        {"timeout_seconds": 22_001},
        {"timeout_seconds": None},
        {"timeout_seconds": 22_000, "workflow": "wf_console"},
    ],
)
async def test_what_does_not_carry_the_mark_is_nobodys_stray(
    bench: Bench, members: dict[str, object]
) -> None:
    await give_up(bench)
    bench.amc.make("foreign", **{"workflow": bench.workflow.amc_workflow_id, **members})  # type: ignore[arg-type]

    await bench.look()

    assert await strays(bench) == []


async def test_what_an_attempt_under_way_may_have_made_is_nobodys_stray(bench: Bench) -> None:
    await give_up(bench)
    await bench.database.execute(
        "insert into submission_attempts (execution_id, attempt, instance_id, amc_workflow_id,"
        " timeout_seconds) values ($1, 1, $2, $3, 22000)",
        await bench.execution(),
        bench.instance.key,
        bench.workflow.amc_workflow_id,
    )
    bench.amc.make("twin", workflow=bench.workflow.amc_workflow_id, timeout_seconds=22_000)

    await bench.look()

    assert await strays(bench) == []


async def test_what_another_row_owns_is_nobodys_stray(bench: Bench) -> None:
    await give_up(bench)
    await bench.execution("downloading", amc_execution_id="twin")
    bench.amc.make("twin", workflow=bench.workflow.amc_workflow_id, timeout_seconds=22_000)

    await bench.look()

    assert await strays(bench) == []


async def test_looks_go_on_while_an_attempt_was_given_up_lately(bench: Bench) -> None:
    execution = await give_up(bench)
    await bench.says(execution, "SUCCEEDED")

    await bench.look()

    assert await state_of(bench.database, execution) == "downloading"
    assert 55 < await bench.next_look() <= 60
