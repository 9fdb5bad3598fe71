"""The HTTP API as the commands use it: JSON in, JSON out, problems as exceptions.

The token goes into one header and nowhere else: no message, no repr, no redirect carries it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, cast
from urllib.parse import quote

import httpx

Json: TypeAlias = Mapping[str, object]
Query: TypeAlias = Mapping[str, str | int | None]

_BASE: Final = "/api/v1"
_PAGE: Final = 200
_FIRST_SERVER_ERROR: Final = 500


class Refused(Exception):
    """The API says no; `hint` says what to do instead."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Unreachable(Refused):
    """No answer, or one that says to try again later."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Api:
    """One API, asked with one token."""

    http: httpx.Client = field(repr=False)

    def get(self, path: str, query: Query | None = None) -> Json:
        """The answer to a question."""
        return self._ask("GET", path, query=query)

    def post(self, path: str, body: Json | None = None, *, key: str | None = None) -> Json:
        """The answer to a command; with a `key` it can be repeated without a second effect."""
        return self._ask("POST", path, body=body, key=key)

    def pages(self, path: str, query: Query, *, limit: int) -> Iterator[Json]:
        """Items of a list, page by page, at most `limit`."""
        cursor: str | None = None
        while limit > 0:
            asked = {**query, "limit": min(limit, _PAGE), "cursor": cursor}
            page = self.get(path, asked)
            items = cast("list[Json]", page["items"])
            yield from items
            limit -= len(items)
            cursor = cast("str | None", page["next_cursor"])
            if cursor is None:
                return

    def save(self, path: str, query: Query, target: Path) -> int:
        """Write a download to `target` once all of it is there; its size in bytes."""
        part = target.with_name(f"{target.name}.part")
        try:
            with self.http.stream("GET", _BASE + path, params=_given(query)) as answer:
                size = _write(answer, part)
            part.replace(target)
        except httpx.HTTPError as error:
            raise _unreachable(self.http, error) from error
        except OSError as error:
            raise Refused(f"{target}: {error.strerror}.", "Choose another --output.") from error
        finally:
            part.unlink(missing_ok=True)
        return size

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Json | None = None,
        key: str | None = None,
    ) -> Json:
        headers = {} if key is None else {"Idempotency-Key": key}
        try:
            answer = self.http.request(
                method, _BASE + path, params=_given(query or {}), json=body, headers=headers
            )
        except httpx.HTTPError as error:
            raise _unreachable(self.http, error) from error
        if not answer.is_success:
            raise _problem(answer)
        return _members(answer)


def at(*steps: object) -> str:
    """A path of these steps; what is in one never becomes another."""
    return "".join(f"/{quote(str(step), safe='')}" for step in steps)


def open_http(url: str, token: str, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """A client for this API; every wait has a bound."""
    return httpx.Client(
        base_url=url.rstrip("/"),
        headers={"Authorization": f"Bearer {token}"},
        timeout=httpx.Timeout(30, connect=5),
        follow_redirects=False,
        transport=transport,
    )


def _write(answer: httpx.Response, file: Path) -> int:
    if not answer.is_success:
        answer.read()
        raise _problem(answer)
    with file.open("wb") as opened:
        return sum(opened.write(chunk) for chunk in answer.iter_bytes())


def _given(query: Query) -> dict[str, str | int]:
    return {name: value for name, value in query.items() if value is not None}


def _members(answer: httpx.Response) -> Json:
    try:
        members = answer.json()
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise Refused(
            f"{answer.url.host} answered {answer.status_code}, but not as amcflow does.",
            "Check AMCFLOW_URL: it is the address of the API, without a path.",
        )
    return members


def _problem(answer: httpx.Response) -> Refused:
    problem = _members(answer)
    text = (
        f"{problem.get('detail', answer.reason_phrase)} [{problem.get('code', answer.status_code)}]"
    )
    for each in cast("list[Json]", problem.get("errors") or []):
        place = ".".join(str(step) for step in cast("list[object]", each["loc"]))
        text += f"\n  {place}: {each['msg']}"
    kind = Unreachable if answer.status_code >= _FIRST_SERVER_ERROR else Refused
    return kind(text, str(problem.get("hint") or ""))


def _unreachable(http: httpx.Client, error: httpx.HTTPError) -> Unreachable:
    return Unreachable(
        f"{http.base_url} gave no answer: {type(error).__name__}.",
        "Check AMCFLOW_URL and that the API runs; asking again is safe.",
    )
