"""Saved SQL."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.responses import Response

from services.api.definitions import define, still_used
from services.api.dependencies import Key, State, Who, WorkflowId
from services.api.paging import AskedPage, Page, read_uuid, wrap
from services.api.schemas.workflows import (
    WorkflowIn,
    WorkflowOut,
    WorkflowPatch,
    WorkflowSaved,
    WorkflowSummary,
    show_saved,
    show_summary,
    show_workflow,
)
from shared.db.workflows import BEFORE_ALL, NewWorkflow, Workflow
from shared.domain.claims import DeclaredParameter
from shared.domain.ids import new_uuid
from shared.intake.idempotency import Remember
from shared.sql.reading import SqlReading, read_sql

router = APIRouter(prefix="/workflows", tags=["workflows"])

_LIST = "workflows"


@router.post("", status_code=HTTPStatus.CREATED)
async def create_workflow(
    *, body: WorkflowIn, state: State, who: Who, key: Key, response: Response
) -> WorkflowSaved:
    """Save SQL under a name. SQL that does not parse here is saved too, with warnings."""

    async def work(remember: Remember[WorkflowSaved]) -> WorkflowSaved:
        reading = await read_sql(body.sql_query)
        workflow_id = new_uuid()
        declared = [parameter.declared() for parameter in body.parameters]
        new = NewWorkflow(
            id=workflow_id,
            name=body.name,
            description=body.description,
            definition=define(workflow_id, body.sql_query, declared, reading),
            created_by=who.owner,
        )
        row = await state.workflows.create(
            new, lambda row: remember(show_saved(row, reading.warnings))
        )
        return show_saved(row, reading.warnings)

    created = await state.once.answer(key.of("create_workflow", "", body), WorkflowSaved, work)
    response.headers["Location"] = f"/api/v1/workflows/{created.id}"
    return created


@router.get("")
async def list_workflows(
    state: State,
    paging: AskedPage,
) -> Page[WorkflowSummary]:
    """All workflows without their SQL, newest first."""
    after = read_uuid(paging.cursor, _LIST, first=BEFORE_ALL)
    rows = await state.workflows.page(after=after, limit=paging.fetch)
    return paging.page(rows, show_summary, lambda row: wrap(_LIST, row.id))


@router.get("/{workflow_id}")
async def read_workflow(workflow_id: WorkflowId, state: State) -> WorkflowOut:
    """One workflow with its SQL."""
    return show_workflow(await state.workflows.get(workflow_id))


@router.put("/{workflow_id}")
async def replace_workflow(
    workflow_id: WorkflowId, body: WorkflowIn, state: State
) -> WorkflowSaved:
    """Replace all of it. What is queued still runs what it was accepted with."""
    seen = await state.workflows.get(workflow_id)
    reading = await read_sql(body.sql_query)
    declared = [parameter.declared() for parameter in body.parameters]
    changed = await state.workflows.update(
        seen,
        name=body.name,
        description=body.description,
        definition=define(workflow_id, body.sql_query, declared, reading),
    )
    return show_saved(changed, reading.warnings)


@router.patch("/{workflow_id}")
async def change_workflow(
    workflow_id: WorkflowId, body: WorkflowPatch, state: State
) -> WorkflowSaved:
    """Change what is given. What is queued still runs what it was accepted with."""
    seen = await state.workflows.get(workflow_id)
    sql_query = body.sql_query or seen.sql_query or ""
    reading = await read_sql(sql_query)
    changed = await state.workflows.update(
        seen,
        name=body.name or seen.name,
        description=seen.description if body.description is None else body.description,
        definition=define(workflow_id, sql_query, _declared(body, seen, reading), reading),
    )
    return show_saved(changed, reading.warnings)


@router.delete("/{workflow_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_workflow(workflow_id: WorkflowId, state: State) -> None:
    """Nothing new may run it. Its executions and their results stay."""
    await state.workflows.delete(workflow_id)


def _declared(
    body: WorkflowPatch, seen: Workflow, reading: SqlReading
) -> tuple[DeclaredParameter, ...]:
    if body.parameters is not None:
        return tuple(parameter.declared() for parameter in body.parameters)
    return still_used(seen.parameters, reading)
