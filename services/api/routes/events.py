"""What happens to executions, as it happens: server-sent events for dashboards."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from services.api.dependencies import State
from services.api.hub import EventFilter, Told
from shared.domain.ids import EXECUTION_PREFIX, WORKFLOW_PREFIX, read, show

router = APIRouter(tags=["events"])

_HIGHEST = 2**63 - 1


class EventOut(BaseModel):
    """One thing that happened to one execution. `event_id` is its own; the stream's id may be a
    lower one, from which nothing is missed."""

    event_id: int
    execution_id: str
    workflow_id: str | None
    instance_id: str | None
    at: datetime
    kind: str
    from_status: str | None
    status: str | None
    error_code: str | None
    detail: str | None


async def _wanted(
    execution_id: Annotated[str | None, Query(max_length=200)] = None,
    instance_id: Annotated[str | None, Query(max_length=200)] = None,
    workflow_id: Annotated[str | None, Query(max_length=200)] = None,
) -> EventFilter:
    return EventFilter(
        execution_id=read(EXECUTION_PREFIX, execution_id, what="execution")
        if execution_id is not None
        else None,
        workflow_id=read(WORKFLOW_PREFIX, workflow_id, what="workflow")
        if workflow_id is not None
        else None,
        instance_id=instance_id,
    )


@router.get("/events", response_class=EventSourceResponse)
async def follow_events(
    state: State,
    wanted: Annotated[EventFilter, Depends(_wanted)],
    last_event_id: Annotated[int | None, Header(ge=0, le=_HIGHEST)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Follow events; with Last-Event-ID, from there on. After a reconnect an event may come
    twice, none is missed. A comment comes every 15 s; a reader that is too slow is cut off."""
    async for told in state.events.listen(wanted, last_event_id):
        yield _shown(told)


def _shown(told: Told) -> ServerSentEvent:
    event = told.event
    return ServerSentEvent(
        id=str(told.resume_from),
        event=event.kind,
        data=EventOut(
            event_id=event.id,
            execution_id=show(EXECUTION_PREFIX, event.execution_id),
            workflow_id=event.workflow_id and show(WORKFLOW_PREFIX, event.workflow_id),
            instance_id=event.instance_id,
            at=event.at,
            kind=event.kind,
            from_status=event.from_state,
            status=event.to_state,
            error_code=event.error_code,
            detail=event.detail,
        ),
    )
