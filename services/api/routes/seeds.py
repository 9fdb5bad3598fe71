"""The paths and words of the first documents, as thin aliases of what stands elsewhere.

They know four words only: a cancelled execution is `failed` there, and a result that is being
stored still `running`.
"""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from services.api.dependencies import ExecutionId, Key, State, Who, WorkflowId
from services.api.paging import MAX_RESULT_PAGE, Cursor
from services.api.routes.executions import accept_one, headers_of
from services.api.routes.results import read_results
from services.api.schemas.executions import ErrorOut, ExecutionOut, show_execution
from services.api.schemas.results import ResultsOut
from shared.domain.states import ExecutionState
from shared.intake.models import ExecutionRequest

router = APIRouter(prefix="/workflows", tags=["aliases"], deprecated=True)

_S = ExecutionState
SEED_WORDS = {
    _S.QUEUED: "pending",
    _S.SUBMITTING: "pending",
    _S.PENDING: "pending",
    _S.RUNNING: "running",
    _S.DOWNLOADING: "running",
    _S.COMPLETED: "completed",
    _S.FAILED: "failed",
    _S.CANCELLED: "failed",
}


class SeedAccepted(BaseModel):
    """An execution that now exists."""

    execution_id: str
    status: str


class SeedStatus(BaseModel):
    """Where it stands, in the old words."""

    execution_id: str
    status: str
    amc_status: str | None
    amc_execution_id: str | None
    row_count: int | None
    error: ErrorOut | None


class SeedDetail(ExecutionOut):
    """All of it, with the status in the old words."""

    execution_id: str


@router.post("/{workflow_id}/execute", status_code=HTTPStatus.ACCEPTED)
async def execute(
    *,
    workflow_id: WorkflowId,
    body: ExecutionRequest,
    state: State,
    who: Who,
    key: Key,
    response: Response,
) -> SeedAccepted:
    """As POST /api/v1/workflows/{id}/executions."""
    accepted = await accept_one(workflow_id, body, state=state, who=who, key=key)
    response.headers.update(headers_of(accepted))
    return SeedAccepted(execution_id=accepted.id, status=SEED_WORDS[_S(accepted.status)])


@router.get("/executions/{execution_id}/status")
async def read_seed_status(execution_id: ExecutionId, state: State) -> SeedStatus:
    """As GET /api/v1/executions/{id}/status; never waits for AMC."""
    shown = show_execution(await state.executions.get(execution_id))
    return SeedStatus(
        execution_id=shown.id,
        status=SEED_WORDS[_S(shown.status)],
        amc_status=shown.amc_status,
        amc_execution_id=shown.amc_execution_id,
        row_count=shown.row_count,
        error=shown.error,
    )


@router.get("/executions/{execution_id}/detail")
async def read_seed_detail(execution_id: ExecutionId, state: State) -> SeedDetail:
    """As GET /api/v1/executions/{id}."""
    shown = show_execution(await state.executions.get(execution_id)).model_dump()
    shown["status"] = SEED_WORDS[_S(shown["status"])]
    return SeedDetail(**shown, execution_id=shown["id"])


@router.get("/executions/{execution_id}/results", response_model=ResultsOut)
async def read_seed_results(
    execution_id: ExecutionId,
    state: State,
    limit: Annotated[int, Query(ge=1, le=MAX_RESULT_PAGE)] = 100,
    cursor: Cursor = None,
) -> Response:
    """As GET /api/v1/executions/{id}/results."""
    return await read_results(execution_id, state, limit, cursor)
