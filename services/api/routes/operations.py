"""For whoever keeps the process running: alive, ready, measured."""

from http import HTTPStatus

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.responses import Response

from services.api.dependencies import State
from services.api.metrics import exposition
from shared.domain.errors import DatabaseUnavailable

router = APIRouter(tags=["operations"])

HEALTH = "/healthz"
READY = "/readyz"
METRICS = "/metrics"


class HealthOut(BaseModel):
    """This process answers."""

    status: str = "ok"


class ReadyOut(BaseModel):
    """Whether requests can be accepted. Workers are not looked at: they may come and go."""

    ready: bool
    database: str
    schema_revision: str | None
    expected_revision: str
    broker: str
    workers: str = "unknown"


@router.get(HEALTH)
async def read_health() -> HealthOut:
    """Alive: looks at nothing else, so that a database outage restarts no process."""
    return HealthOut()


@router.get(READY)
async def read_readiness(state: State, response: Response) -> ReadyOut:
    """200 while it can accept; a broker that is away only shows in the body."""
    report = await state.readiness.look()
    if not report.ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return ReadyOut(
        ready=report.ready,
        database=report.database,
        schema_revision=report.schema_revision,
        expected_revision=report.expected_revision,
        broker=report.broker,
    )


@router.get(METRICS, response_class=Response)
async def read_metrics(state: State) -> Response:
    """Prometheus text."""
    try:
        figures = await state.figures.now()
    except DatabaseUnavailable:
        figures = None
    return Response(exposition(figures), media_type=CONTENT_TYPE_LATEST)
