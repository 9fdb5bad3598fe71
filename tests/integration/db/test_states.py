"""What the schema itself refuses, whatever code asks for it."""

from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from shared.db.pool import Database
from shared.domain.errors import StaleTransition
from shared.domain.states import FINAL, ExecutionState, may_move
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    make_execution,
    row_of,
    state_of,
)

PAIRS = [pair for pair in product(ExecutionState, repeat=2) if pair[0] is not pair[1]]
LEGAL = [pair for pair in PAIRS if may_move(*pair)]
ILLEGAL = [pair for pair in PAIRS if not may_move(*pair)]

_ADMITTED = {"queued": {"admitted_at": None, "intent_at": None}}


@pytest.fixture(scope="module")
def database(module_database: Database) -> Database:
    return module_database


async def _move(database: Database, execution: UUID, new: ExecutionState) -> None:
    """Everything the constraints ask for in the new state, so that only the move can be wrong."""
    row = await row_of(database, execution)
    values: dict[str, Any] = {
        "state": new.value,
        "finished_at": datetime.now(UTC) if new in FINAL else None,
        "error_code": "query_rejected" if new is ExecutionState.FAILED else None,
        "amc_execution_id": row["amc_execution_id"] or f"amc-{execution.hex}",
        "row_count": 1,
        "size_bytes": 1,
        **_ADMITTED.get(new.value, {}),
    }
    settings = ", ".join(f"{name} = ${place}" for place, name in enumerate(values, start=2))
    await database.execute(
        f"update workflow_executions set {settings} where id = $1", execution, *values.values()
    )


@pytest.mark.parametrize(("old", "new"), LEGAL, ids="->".join)
async def test_a_legal_move_is_made_and_told(
    database: Database,
    instance: MadeInstance,
    workflow: MadeWorkflow,
    old: ExecutionState,
    new: ExecutionState,
) -> None:
    execution = await make_execution(database, instance, workflow, old.value)

    await _move(database, execution, new)

    told = await database.fetchrow(
        "select from_state, to_state from execution_events where execution_id = $1"
        " order by id desc limit 1",
        execution,
    )
    assert told is not None
    assert tuple(told) == (old, new)


@pytest.mark.parametrize(("old", "new"), ILLEGAL, ids="->".join)
async def test_an_illegal_move_is_refused(
    database: Database,
    instance: MadeInstance,
    workflow: MadeWorkflow,
    old: ExecutionState,
    new: ExecutionState,
) -> None:
    execution = await make_execution(database, instance, workflow, old.value)

    with pytest.raises(StaleTransition, match=f"may not move from {old} to {new}"):
        await _move(database, execution, new)

    assert await state_of(database, execution) == old


async def test_an_execution_stays_bound_to_what_amc_named_it(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(database, instance, workflow, "running")

    with pytest.raises(StaleTransition, match="is bound to"):
        await database.execute(
            "update workflow_executions set amc_execution_id = 'other' where id = $1", execution
        )


async def test_a_fence_never_falls(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(database, instance, workflow, "submitting", fence=3)

    with pytest.raises(StaleTransition, match="newer claim"):
        await database.execute("update workflow_executions set fence = 2 where id = $1", execution)


async def test_two_executions_never_share_one_at_amc(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    await make_execution(database, instance, workflow, "running", amc_execution_id="one")

    with pytest.raises(StaleTransition):
        await make_execution(database, instance, workflow, "completed", amc_execution_id="one")


@pytest.mark.parametrize(
    ("state", "wrong", "rule"),
    [
        ("waiting", {}, "executions_state_known"),
        ("queued", {"finished_at": datetime.now(UTC)}, "executions_finished_at_iff_final"),
        ("completed", {"finished_at": None}, "executions_finished_at_iff_final"),
        ("failed", {"finished_at": None}, "executions_finished_at_iff_final"),
        ("failed", {"error_code": None}, "executions_error_iff_failed"),
        ("completed", {"error_code": "odd"}, "executions_error_iff_failed"),
        ("pending", {"amc_execution_id": None}, "executions_at_amc_has_its_id"),
        ("completed", {"row_count": None}, "executions_completed_has_counts"),
        ("queued", {"admitted_at": datetime.now(UTC)}, "executions_admitted_iff_past_queue"),
        ("queued", {"time_window_type": "EXPLICIT"}, "executions_window_whole"),
    ],
)
async def test_a_row_that_contradicts_itself_is_refused(
    database: Database,
    instance: MadeInstance,
    workflow: MadeWorkflow,
    state: str,
    wrong: dict[str, Any],
    rule: str,
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match=rule):
        await make_execution(database, instance, workflow, state, **wrong)


async def test_every_execution_begins_its_history_where_it_was_born(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(database, instance, workflow)

    rows = await database.fetch(
        "select from_state, to_state from execution_events where execution_id = $1", execution
    )

    assert [tuple(row) for row in rows] == [(None, "queued")]
