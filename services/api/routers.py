"""How the routers of the busiest nouns are made: complete, so that nobody has to include them.

FastAPI matches each route of an included router twice for every request, in a copy of its context;
routes that stand in the application itself are matched once.
"""

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter

from services.api.dependencies import bearer
from services.api.problems import MEDIA_TYPE, Problem
from services.api.quick import QuickRoute

PREFIX: Final = "/api/v1"
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    status.value: {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": status.phrase}
    for status in (
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
}


def busy_router(noun: str) -> APIRouter:
    """Everything that an included router gets from whoever includes it."""
    return APIRouter(
        prefix=PREFIX,
        tags=[noun],
        dependencies=[bearer],
        responses=ANSWERS,
        route_class=QuickRoute,
    )
