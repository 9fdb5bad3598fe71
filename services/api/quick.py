"""Answers the plain form of a request without having its parameters resolved one by one.

FastAPI walks all dependencies and parameters of an endpoint anew for each request, which takes
longer than what the busiest ones do. A request in the plain form (known names, once each, nothing
that could be wrong) is taken straight to the endpoint; whatever looks different goes the usual
way, so that every check and every word of an error is FastAPI's. Who asks was settled before.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from typing_extensions import override

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
PlainForm = Callable[[Request], Coroutine[Any, Any, Response] | None]
"""The endpoint, called with what the request says; None, or NotPlain, if that is not plain."""
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Body = TypeVar("Body", bound=BaseModel)

_PLAIN_PAGE: Final = re.compile(
    rb"(?:limit=([1-9][0-9]{0,3})(?:&|\Z))?(?:cursor=([A-Za-z0-9_-]{1,200}))?"
)
_forms: dict[Callable[..., Any], PlainForm] = {}


class NotPlain(Exception):
    """What a form raises that has to read a body to find out; nothing was done by then."""


class QuickRoute(APIRoute):
    """A route that looks for the plain form first, where its endpoint has one."""

    @override
    def get_route_handler(self) -> Handler:
        usual = super().get_route_handler()
        form = _forms.get(self.endpoint)
        if form is None:
            return usual

        async def handle(request: Request) -> Response:
            plain = form(request)
            if plain is None:
                return await usual(request)
            try:
                return await plain
            except NotPlain:
                return await usual(request)

        return handle


def plain(form: PlainForm) -> Callable[[Endpoint], Endpoint]:
    """Gives an endpoint its plain form; stands below the router's decorator."""

    def give(endpoint: Endpoint) -> Endpoint:
        _forms[endpoint] = form
        return endpoint

    return give


def plain_page(request: Request, *, default: int, most: int) -> tuple[int, str | None] | None:
    """Limit and cursor of a list, if the query has nothing else; None if FastAPI should look."""
    found = _PLAIN_PAGE.fullmatch(request.scope["query_string"])
    if found is None:
        return None
    limit = int(found[1] or default)
    return (limit, found[2].decode() if found[2] else None) if limit <= most else None


async def plain_body(request: Request, kind: type[Body]) -> Body:
    """The body, read and checked by what FastAPI does it with; NotPlain if it should look itself.

    Pydantic could read JSON faster, but would be a second judge of what is JSON. What was read
    stays in the request, so the usual way finds it there.
    """
    if request.headers.get("content-type") != "application/json":
        raise NotPlain
    try:
        return kind.model_validate(await request.json())
    except (ValueError, RecursionError, ClientDisconnect):
        raise NotPlain from None
