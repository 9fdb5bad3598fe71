"""Which function answers which kind of exception; all of them end in `problems`."""

from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.api import problems
from services.api.errors import BodyTooLarge
from services.api.problems import request_id_of
from shared.domain.errors import AmcflowError
from shared.intake.problems import invalid
from shared.observability.logs import get_logger

log = get_logger()

_CODES = {
    HTTPStatus.BAD_REQUEST: "malformed_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: BodyTooLarge.code,
}


def install(app: FastAPI) -> None:
    """Register them all."""
    app.exception_handler(AmcflowError)(_ours)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(Exception)(_bug)


async def _ours(request: Request, error: AmcflowError) -> Response:
    status = problems.status_of(type(error))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request_failed", error_code=error.code, error=error.message)
    return problems.answer(error, request)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    return problems.answer(invalid(error.errors()), request)


async def _http(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    return problems.plain_answer(
        request,
        status,
        code=_CODES.get(status, status.phrase.lower().replace(" ", "_")),
        detail=str(error.detail),
        hint="The paths and methods are listed in /api/v1/openapi.json.",
        headers=error.headers,
    )


async def _bug(request: Request, error: Exception) -> Response:
    """The server logs the traceback; the answer shows nothing of it."""
    request_id = request_id_of(request.scope)
    log.error("request_crashed", error_type=type(error).__name__, request_id=request_id)
    return problems.plain_answer(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal_error",
        detail="This is a bug in amcflow; nothing is known about what was stored.",
        hint="The log has the traceback under this request_id.",
        headers={"X-Request-ID": request_id},
    )
