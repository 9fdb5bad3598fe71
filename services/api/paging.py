"""Pages by cursor: the key of the last item, wrapped so that nobody builds one by hand."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from services.api.errors import BadCursor

Item = TypeVar("Item")
Row = TypeVar("Row")

DEFAULT_PAGE = 50
MAX_PAGE = 200
MAX_RESULT_PAGE = 1000

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items on a page.")]
Cursor = Annotated[str | None, Query(max_length=200, description="next_cursor of the page before.")]


class Page(BaseModel, Generic[Item]):
    """One page of a list; the next one is behind `next_cursor`, and in the Link header."""

    items: list[Item]
    next_cursor: str | None
    has_more: bool


def read_number(cursor: str | None, kind: str) -> int:
    """The row number in a cursor, 0 without one; BadCursor for anything else."""
    key = _unwrap(cursor, kind) if cursor is not None else 0
    if not isinstance(key, int) or not 0 <= key < 2**63:
        raise BadCursor
    return key


def read_uuid(cursor: str | None, kind: str, *, first: UUID) -> UUID:
    """The id in a cursor, `first` without one; BadCursor for anything else."""
    if cursor is None:
        return first
    key = _unwrap(cursor, kind)
    try:
        return UUID(hex=key if isinstance(key, str) else "")
    except ValueError:
        raise BadCursor from None


def wrap(kind: str, key: int | UUID) -> str:
    """The cursor behind this key, good for lists of this kind only."""
    plain = json.dumps([kind, key.hex if isinstance(key, UUID) else key])
    return base64.urlsafe_b64encode(plain.encode()).rstrip(b"=").decode()


def _unwrap(cursor: str, kind: str) -> object:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise BadCursor from None
    match content:
        case [str(found), key] if found == kind:
            return key
        case _:
            raise BadCursor


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked for, and how it is answered."""

    request: Request
    response: Response
    limit: int
    cursor: str | None

    @property
    def fetch(self) -> int:
        """Rows to read: one more than asked for says whether there are more."""
        return self.limit + 1

    def page(
        self,
        rows: Sequence[Row],
        show: Callable[[Row], Item],
        cursor_of: Callable[[Row], str],
    ) -> Page[Item]:
        """The page for `fetch` rows, with its Link header (RFC 8288): relative, so that it is
        right behind any proxy."""
        shown = rows[: self.limit]
        has_more = len(rows) > self.limit
        next_cursor = cursor_of(shown[-1]) if has_more else None
        if next_cursor is not None:
            link_next(self.request, self.response, next_cursor)
        return Page(items=[show(row) for row in shown], next_cursor=next_cursor, has_more=has_more)

    def page_of(self, kind: str, rows: Sequence[tuple[UUID, bytes]]) -> Response:
        """The same page of items that are JSON already, each with the id its cursor is made of."""
        shown = rows[: self.limit]
        has_more = len(rows) > self.limit
        next_cursor = wrap(kind, shown[-1][0]) if has_more else None
        response = json_answer(
            b'{"items":[%b],"next_cursor":%b,"has_more":%b}'
            % (b",".join([item for _, item in shown]), to_json(next_cursor), to_json(has_more))
        )
        if next_cursor is not None:
            link_next(self.request, response, next_cursor)
        return response


def json_answer(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """An answer that is JSON already: FastAPI sends it as it is."""
    return Response(body, status, media_type="application/json")


def link_next(request: Request, response: Response, cursor: str) -> None:
    """Point to the page behind this one."""
    url = request.url
    asked = [
        (name, value)
        for name, value in parse_qsl(url.query, keep_blank_values=True)
        if name != "cursor"
    ]
    query = urlencode([*asked, ("cursor", cursor)])
    response.headers["Link"] = f'<{url.path}?{query}>; rel="next"'


async def _paging(
    request: Request, response: Response, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Paging:
    return Paging(request, response, limit, cursor)


AskedPage = Annotated[Paging, Depends(_paging)]
