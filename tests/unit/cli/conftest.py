"""The command line over an API that answers as told."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from cli.__main__ import run
from cli.session import Session

TOKEN = "amc_sk_never_shown"


@dataclass
class Shell:
    """Somebody who types commands."""

    capture: pytest.CaptureFixture[str]
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[httpx.Request] = field(default_factory=list)
    environment: dict[str, str] = field(
        default_factory=lambda: {"AMCFLOW_TOKEN": TOKEN, "AMCFLOW_URL": "http://api.test"}
    )

    def will(self, call: str, *answers: Any) -> None:
        """Answers to `GET /path`, one after the other; the last one stays."""
        self.answers[call] = list(answers)

    def type(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        session = Session(self.environment, httpx.MockTransport(self._answer))
        code = run(words, session)
        said = self.capture.readouterr()
        assert TOKEN not in said.out + said.err
        return code, said.out, said.err

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.asked if request.content]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.raw_path.decode().partition("?")[0].removeprefix("/api/v1")
        waiting = self.answers.get(f"{request.method} {path}")
        if waiting is None:
            return problem(404, "not_found", f"No {request.method} {path}.")
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


def problem(status: int, code: str, detail: str, **more: Any) -> httpx.Response:
    return httpx.Response(status, json={"detail": detail, "code": code, "hint": "Do.", **more})


def page(*items: Any, next_cursor: str | None = None) -> dict[str, Any]:
    return {"items": list(items), "next_cursor": next_cursor, "has_more": next_cursor is not None}


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr("time.sleep", _no_wait)
    return Shell(capsys)


_no_wait: Callable[[float], None] = lambda seconds: None  # noqa: E731
