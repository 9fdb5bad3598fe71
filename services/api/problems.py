"""Every error answer, in one shape and from one function: RFC 9457 problem details.

`code` is stable and for programs, `detail` and `hint` are for people, `errors` names each field.
"""

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from services.api.errors import (
    BadCursor,
    BodyTooLarge,
    ResultNotReady,
    Unauthenticated,
    WithoutResult,
)
from shared.domain.errors import (
    AmcflowError,
    ConflictError,
    ContractError,
    FieldProblem,
    InDoubtError,
    InvalidRequest,
    NotFound,
    PermanentError,
    ResultGone,
    TransientError,
)
from shared.intake.errors import InvalidOutputFormat

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[Mapping[type[AmcflowError], HTTPStatus]] = {
    AmcflowError: HTTPStatus.INTERNAL_SERVER_ERROR,
    TransientError: HTTPStatus.SERVICE_UNAVAILABLE,
    InDoubtError: HTTPStatus.INTERNAL_SERVER_ERROR,
    PermanentError: HTTPStatus.CONFLICT,
    ResultGone: HTTPStatus.GONE,
    ConflictError: HTTPStatus.CONFLICT,
    ContractError: HTTPStatus.BAD_REQUEST,
    InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidOutputFormat: HTTPStatus.BAD_REQUEST,
    BadCursor: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
"""A class without a row of its own has its nearest ancestor's."""

_NOT_READY_SECONDS: Final = 5
_AWAY_SECONDS: Final = 1

# RFC 9110 renamed it; Python did so with 3.13.
_TITLES = {HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable Content"}


class ProblemField(BaseModel):
    """One wrong field: where it is in the request, and what is wrong with it."""

    loc: list[str | int]
    msg: str


class Problem(BaseModel):
    """An error answer."""

    type: str = Field(examples=["urn:amcflow:problem:not_found"])
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    retryable: bool
    hint: str
    errors: list[ProblemField] = []
    execution_status: str | None = None


def status_of(kind: type[AmcflowError]) -> HTTPStatus:
    """The row of the nearest ancestor that has one."""
    return next(STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS)


def answer(error: AmcflowError, request: Request) -> Response:
    """The response for one of our own errors."""
    status = status_of(type(error))
    found: tuple[FieldProblem, ...] = getattr(error, "problems", ())
    return plain_answer(
        request,
        status,
        code=error.code,
        detail=error.message,
        hint=error.hint,
        retryable=isinstance(error, TransientError | ResultNotReady),
        errors=[ProblemField(loc=list(problem.loc), msg=problem.msg) for problem in found],
        execution_status=error.state.value if isinstance(error, WithoutResult) else None,
        headers=_headers(error),
    )


def plain_answer(  # noqa: PLR0913 - the members of a problem
    request: Request,
    status: HTTPStatus,
    *,
    code: str,
    detail: str,
    hint: str = "",
    retryable: bool = False,
    errors: list[ProblemField] | None = None,
    execution_status: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The one place where a problem becomes bytes. ASCII, so that any text a user sent passes."""
    problem = Problem(
        type=f"urn:amcflow:problem:{code}",
        title=_TITLES.get(status, status.phrase),
        status=status,
        detail=detail,
        instance=request.url.path,
        code=code,
        request_id=request_id_of(request.scope),
        retryable=retryable,
        hint=hint,
        errors=errors or [],
        execution_status=execution_status,
    )
    members = problem.model_dump()
    if execution_status is None:
        del members["execution_status"]
    return Response(json.dumps(members), status, dict(headers or {}), MEDIA_TYPE)


def request_id_of(scope: Scope) -> str:
    """Set by the outermost middleware."""
    return str(scope.get("state", {}).get("request_id", ""))


def _headers(error: AmcflowError) -> Mapping[str, str]:
    match error:
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case ResultNotReady():
            return {"Retry-After": str(_NOT_READY_SECONDS)}
        case TransientError():
            wait = error.wait.total_seconds() if error.wait else _AWAY_SECONDS
            return {"Retry-After": str(max(1, math.ceil(wait)))}
        case _:
            return {}
