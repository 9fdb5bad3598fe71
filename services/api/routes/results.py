"""What AMC produced, page by page or as a file."""

import re
from collections.abc import Coroutine
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from services.api.dependencies import ExecutionId, State, execution_id_of, state_of
from services.api.errors import NoResult, ResultNotReady
from services.api.paging import MAX_RESULT_PAGE, Cursor, json_answer, read_number, wrap
from services.api.ports import DownloadFormat
from services.api.quick import plain, plain_page
from services.api.routers import busy_router
from services.api.schemas.results import ResultsOut
from services.api.state import ApiState
from shared.db.executions_read import Execution
from shared.db.results.page_json import JsonPage
from shared.domain.errors import NotFound
from shared.domain.ids import EXECUTION_PREFIX, show
from shared.domain.states import FINAL, ExecutionState

router = busy_router("results")

_LIST = "results"
_DEFAULT_PAGE = 100
_MEDIA_TYPES = {
    DownloadFormat.CSV: "text/csv; charset=utf-8",
    DownloadFormat.JSONL: "application/x-ndjson",
    DownloadFormat.PARQUET: "application/vnd.apache.parquet",
}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 60


def _plain_results(request: Request) -> Coroutine[Any, Any, Response] | None:
    asked = plain_page(request, default=_DEFAULT_PAGE, most=MAX_RESULT_PAGE)
    if asked is None:
        return None
    return read_results(execution_id_of(request), state_of(request), *asked)


@router.get("/executions/{execution_id}/results", response_model=ResultsOut)
@plain(_plain_results)
async def read_results(
    execution_id: ExecutionId,
    state: State,
    limit: Annotated[
        int, Query(ge=1, le=MAX_RESULT_PAGE, description="Rows on a page.")
    ] = _DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Response:
    """Rows in file order, up to 1,000 at a time, each an array in the order of `columns`."""
    after = read_number(cursor, _LIST)
    try:
        page = await state.results.page(execution_id, after=after, limit=limit)
    except NotFound:
        # Only who has a completed execution is told of a result that was removed.
        await _completed(state, execution_id)
        raise
    return json_answer(_shown(page))


@router.get(
    "/executions/{execution_id}/download",
    response_class=StreamingResponse,
    responses={200: {"content": {kind: {} for kind in _MEDIA_TYPES.values()}}},
)
async def download_result(
    execution_id: ExecutionId,
    state: State,
    format: Annotated[  # noqa: A002 - its name in the URL
        DownloadFormat | None, Query(description="Default: the execution's output_format.")
    ] = None,
) -> StreamingResponse:
    """The whole result as a file, streamed: it needs no more memory for more rows."""
    execution = await _completed(state, execution_id)
    kind = format or DownloadFormat(execution.output_format.lower())
    chunks = await state.results.download(execution_id, kind)
    return StreamingResponse(
        chunks,
        media_type=_MEDIA_TYPES[kind],
        headers={
            "Content-Disposition": f'attachment; filename="{_file_name(execution, kind)}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _shown(page: JsonPage) -> bytes:
    """A `ResultsOut`; its values come from the result store and are not looked at one by one."""
    columns = [{"name": column.name, "type": column.type} for column in page.columns]
    next_cursor = None if page.next_after is None else wrap(_LIST, page.next_after)
    return b'{"columns":%b,"items":%b,"next_cursor":%b,"has_more":%b,"row_count":%d}' % (
        to_json(columns),
        page.items,
        to_json(next_cursor),
        to_json(next_cursor is not None),
        page.row_count,
    )


async def _completed(state: ApiState, execution_id: UUID) -> Execution:
    execution = await state.executions.get(execution_id)
    if execution.state is ExecutionState.COMPLETED:
        return execution
    if execution.state in FINAL:
        raise NoResult(execution.state)
    raise ResultNotReady(execution.state)


def _file_name(execution: Execution, kind: DownloadFormat) -> str:
    name = _NOT_IN_NAMES.sub("-", execution.workflow_name).strip("-.")[:_LONGEST_NAME]
    return f"{name or 'result'}_{show(EXECUTION_PREFIX, execution.id)}.{kind}"
