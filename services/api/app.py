"""Puts the application together: routes, the three middlewares, and one typed state."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from services.api import handlers
from services.api.authentication import Authentication
from services.api.body_limit import BodyLimit
from services.api.context import RequestContext
from services.api.dependencies import bearer
from services.api.routers import ANSWERS, PREFIX
from services.api.routes import (
    accounts,
    credentials,
    events,
    executions,
    instances,
    operations,
    parked,
    reconciliations,
    results,
    seeds,
    stats,
    workflows,
)
from services.api.state import ApiState

OPENAPI = f"{PREFIX}/openapi.json"
DOCS = "/docs"

# Tried in this order for each request: the busiest first. The aliases stand before the workflows:
# GET /workflows/executions/... must not be read as a workflow's id.
_BUSY = (executions, results)
_NOUNS = (
    seeds,
    accounts,
    instances,
    credentials,
    workflows,
    events,
    stats,
    parked,
    reconciliations,
)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the application shows, and to whom; see the settings of the same names."""

    max_body_bytes: int = 16 * 1024 * 1024
    docs_enabled: bool = True
    metrics_are_open: bool = True

    def open_paths(self) -> frozenset[str]:
        """Everything that needs no token."""
        paths = {operations.HEALTH, operations.READY}
        if self.docs_enabled:
            paths |= {DOCS, OPENAPI}
        if self.metrics_are_open:
            paths |= {operations.METRICS}
        return frozenset(paths)


def create_app(state: ApiState, exposure: Exposure | None = None) -> FastAPI:
    """The application over an opened state; whoever opened it closes it after the last request."""
    exposure = exposure or Exposure()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        state.events.close()

    app = FastAPI(
        title="amcflow",
        summary="Runs SQL workflows on Amazon Marketing Cloud.",
        version="1",
        openapi_url=OPENAPI if exposure.docs_enabled else None,
        docs_url=DOCS if exposure.docs_enabled else None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        lifespan=lifespan,
        telemetry={"logs": False},
    )
    app.state.api = state
    handlers.install(app)
    _add_middleware(app, state, exposure)
    _include_nouns(app)
    app.include_router(operations.router)
    app.include_router(
        seeds.router, dependencies=[bearer], responses=ANSWERS, include_in_schema=False
    )
    return app


def _add_middleware(app: FastAPI, state: ApiState, exposure: Exposure) -> None:
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, max_bytes=exposure.max_body_bytes)
    app.add_middleware(Authentication, names=state.token_names, open_paths=exposure.open_paths())
    app.add_middleware(RequestContext)


def _include_nouns(app: FastAPI) -> None:
    for noun in _BUSY:
        app.router.routes.extend(noun.router.routes)
    # One by one and not as one router of routers: each level is matched twice for each request.
    for noun in _NOUNS:
        app.include_router(noun.router, prefix=PREFIX, dependencies=[bearer], responses=ANSWERS)
