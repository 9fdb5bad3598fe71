"""Runs of workflows: asked for, followed, cancelled, repeated. AMC is never waited for."""

from collections.abc import Coroutine
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from services.api.dependencies import (
    ExecutionId,
    Key,
    MaybeRepeated,
    State,
    Who,
    WorkflowId,
    asker_of,
    execution_id_of,
    plain_key_of,
    state_of,
    workflow_id_of,
)
from services.api.errors import AlreadyFinished, FinishedAtAmc
from services.api.paging import (
    DEFAULT_PAGE,
    MAX_PAGE,
    AskedPage,
    Page,
    Paging,
    json_answer,
    read_uuid,
)
from services.api.quick import plain, plain_body, plain_page
from services.api.routers import busy_router
from services.api.schemas.executions import (
    AcceptedOut,
    ExecutionDetail,
    ExecutionOut,
    StatusOut,
    TimelineOut,
    accepted_json,
    detail_json,
    show_entry,
    status_json,
    waiting_word,
)
from services.api.state import ApiState
from shared.db.executions_read import ExecutionFilter
from shared.db.workflows import BEFORE_ALL
from shared.domain.errors import FieldProblem, InvalidRequest, NotFound
from shared.domain.ids import EXECUTION_PREFIX, WORKFLOW_PREFIX, read, show
from shared.domain.states import FINAL, ExecutionState
from shared.intake.intake import Asker
from shared.intake.models import (
    Accepted,
    AcceptedItem,
    BulkRequest,
    ExecutionItem,
    ExecutionRequest,
)
from shared.observability.stop_points import StopPoint, reach

# Routes are tried in the order of this file: what is asked for most often stands first.
router = busy_router("executions")

_LIST = "executions"
_RETRY_AFTER = {"Retry-After": "5"}


def _plain_execution(request: Request) -> Coroutine[Any, Any, Response]:
    return read_execution(execution_id_of(request), state_of(request))


def _plain_status(request: Request) -> Coroutine[Any, Any, Response]:
    return read_status(execution_id_of(request), state_of(request))


def _plain_list(request: Request) -> Coroutine[Any, Any, Response] | None:
    asked = plain_page(request, default=DEFAULT_PAGE, most=MAX_PAGE)
    if asked is None:
        return None
    return list_executions(state=state_of(request), paging=Paging(request, Response(), *asked))


async def _plain_execute(request: Request) -> Response:
    who = asker_of(request)
    key = plain_key_of(request, who)
    body = await plain_body(request, ExecutionRequest)
    return await execute_workflow(
        workflow_id=workflow_id_of(request), body=body, state=state_of(request), who=who, key=key
    )


@router.get("/executions", response_model=Page[ExecutionOut])
@plain(_plain_list)
async def list_executions(
    *,
    state: State,
    paging: AskedPage,
    status: Annotated[
        list[str] | None, Query(description="Any of these; repeated or comma-separated.")
    ] = None,
    instance_id: Annotated[str | None, Query(max_length=200)] = None,
    workflow_id: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Executions, newest first."""
    workflow = None if workflow_id is None else read(WORKFLOW_PREFIX, workflow_id, what="workflow")
    if instance_id is not None and "\x00" in instance_id:
        raise NotFound("No instance has such an id.")
    wanted = ExecutionFilter(_states(status or []), workflow, instance_id)
    after = read_uuid(paging.cursor, _LIST, first=BEFORE_ALL)
    rows = await state.shown.page(wanted, after=after, limit=paging.fetch)
    return paging.page_of(_LIST, rows)


@router.get("/executions/{execution_id}", response_model=ExecutionDetail)
@plain(_plain_execution)
async def read_execution(execution_id: ExecutionId, state: State) -> Response:
    """One execution, with the reason why it waits while it is queued."""
    execution = await state.executions.get(execution_id)
    waiting_for = None
    if execution.state is ExecutionState.QUEUED:
        waiting_for = waiting_word(await state.executions.obstacles(execution_id))
    return json_answer(detail_json(execution, waiting_for))


@router.get("/executions/{execution_id}/status", response_model=StatusOut)
@plain(_plain_status)
async def read_status(execution_id: ExecutionId, state: State) -> Response:
    """Where it stands, as last heard; never waits for AMC."""
    standing = await state.executions.standing(execution_id)
    response = json_answer(status_json(standing))
    if standing.state not in FINAL:
        response.headers.update(_RETRY_AFTER)
    return response


@router.post(
    "/workflows/{workflow_id}/executions",
    status_code=HTTPStatus.ACCEPTED,
    response_model=AcceptedOut,
)
@plain(_plain_execute)
async def execute_workflow(
    *, workflow_id: WorkflowId, body: ExecutionRequest, state: State, who: Who, key: Key
) -> Response:
    """Ask for one run. It is accepted once this answers, whatever happens afterwards."""
    return _one(await accept_one(workflow_id, body, state=state, who=who, key=key))


@router.post("/executions/bulk", status_code=HTTPStatus.ACCEPTED)
async def execute_many(
    *, body: BulkRequest, state: State, who: Who, key: Key, response: Response
) -> Accepted:
    """Ask for up to 10,000 runs: all are accepted, or none. Problems name their item."""
    response.headers.update(_RETRY_AFTER)
    return await state.intake.accept(body.items, who, key.of("execute_bulk", "", body))


@router.get("/executions/{execution_id}/timeline")
async def read_timeline(execution_id: ExecutionId, state: State) -> TimelineOut:
    """Everything that happened to it, oldest first."""
    entries = await state.executions.timeline(execution_id)
    return TimelineOut(
        id=show(EXECUTION_PREFIX, execution_id), items=[show_entry(entry) for entry in entries]
    )


@router.post(
    "/executions/{execution_id}/cancel",
    status_code=HTTPStatus.ACCEPTED,
    response_model=StatusOut,
)
async def cancel_execution(execution_id: ExecutionId, state: State, who: Who) -> Response:
    """Cancel it: at once while nothing was sent; otherwise AMC is asked, and its word counts."""
    before = await state.executions.state(execution_id)
    _refuse_cancel(before)
    after = await state.control.request_cancel(execution_id, by=who.owner)
    if after is not ExecutionState.CANCELLED:
        _refuse_cancel(after)
    reach(StopPoint.CANCEL_REQUESTED)
    state.wake_relay()
    standing = await state.executions.standing(execution_id)
    return json_answer(status_json(standing), HTTPStatus.ACCEPTED)


@router.post(
    "/executions/{execution_id}/retry",
    status_code=HTTPStatus.ACCEPTED,
    response_model=AcceptedOut,
)
async def retry_execution(
    *, execution_id: ExecutionId, state: State, who: Who, key: Key
) -> Response:
    """A new execution of what this one ran, with the same window, parameters and SQL."""
    asked = key.of("retry", execution_id.hex, None)
    return _one((await state.intake.retry(execution_id, who, asked)).items[0])


async def accept_one(
    workflow_id: UUID, body: ExecutionRequest, *, state: ApiState, who: Asker, key: MaybeRepeated
) -> AcceptedItem:
    """The execution that now exists, or did since an earlier request with this key."""
    item = ExecutionItem(
        workflow_id=show(WORKFLOW_PREFIX, workflow_id),
        **{name: getattr(body, name) for name in body.model_fields_set},
    )
    accepted = await state.intake.accept_one(item, who, key.of("execute", "", item))
    return accepted.items[0]


def headers_of(item: AcceptedItem) -> dict[str, str]:
    """When to ask for it, and where."""
    return {**_RETRY_AFTER, "Location": f"/api/v1/executions/{item.id}"}


def _one(item: AcceptedItem) -> Response:
    response = json_answer(accepted_json(item), HTTPStatus.ACCEPTED)
    response.headers.update(headers_of(item))
    return response


def _states(words: list[str]) -> list[ExecutionState]:
    states = []
    for word in ",".join(words).split(",") if words else []:
        try:
            states.append(ExecutionState(word.strip()))
        except ValueError:
            known = ", ".join(ExecutionState)
            problem = FieldProblem(("query", "status"), f"must be among {known}")
            raise InvalidRequest(f"status: {problem.msg}.", problems=(problem,)) from None
    return list(dict.fromkeys(states))


def _refuse_cancel(state: ExecutionState) -> None:
    if state in FINAL:
        raise AlreadyFinished(f"The execution is {state} already.")
    if state is ExecutionState.DOWNLOADING:
        raise FinishedAtAmc(
            "AMC has finished the execution; its result is being stored.",
            hint="Let it complete; delete nothing, the result may be left unread.",
        )
