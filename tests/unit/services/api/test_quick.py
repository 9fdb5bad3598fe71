"""What counts as the plain form of a list's query, and that the rest is left to FastAPI."""

from collections.abc import Coroutine
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from services.api.quick import QuickRoute, plain, plain_page


def asked(query: str) -> tuple[int, str | None] | None:
    scope = {"type": "http", "query_string": query.encode(), "headers": []}
    return plain_page(Request(scope), default=50, most=200)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (50, None)),
        ("limit=1", (1, None)),
        ("limit=200", (200, None)),
        ("cursor=WyJ4_-", (50, "WyJ4_-")),
        ("limit=7&cursor=abc", (7, "abc")),
        ("limit=7&", (7, None)),
    ],
)
def test_limit_and_cursor_are_read_from_a_plain_query(
    query: str, expected: tuple[int, str | None]
) -> None:
    assert asked(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=201", "limit=-1", "limit=+1", "limit=01", "limit=1e1", "limit=many"),
        *("limit=", "cursor=", "limit=1&limit=2", "cursor=a&limit=1", "limit=1cursor=a"),
        *("cursor=a%20", "cursor=a&cursor=b", "status=queued", "limit=1&x=2", "limit=1\n"),
        *("cursor=" + "a" * 201, "limit=%31", "&", "limit=99999"),
    ],
)
def test_whatever_looks_different_is_not_plain(query: str) -> None:
    assert asked(query) is None


async def test_only_what_is_not_plain_goes_the_usual_way() -> None:
    router = APIRouter(route_class=QuickRoute)

    def form(request: Request) -> Coroutine[Any, Any, Response] | None:
        return None if request.query_params else answer(word="plain")

    @router.get("/answer")
    @plain(form)
    async def answer(word: str) -> Response:
        return Response(word)

    app = FastAPI(telemetry={"logs": False})
    app.include_router(router, prefix="/v1")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        assert (await client.get("/v1/answer")).text == "plain"
        assert (await client.get("/v1/answer", params={"word": "usual"})).text == "usual"
        assert (await client.get("/v1/answer", params={"other": "x"})).status_code == 422
