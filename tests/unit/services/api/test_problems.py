"""Every error of ours has a status and a shape."""

import importlib
import json
import pkgutil
from datetime import timedelta

import pytest
from starlette.requests import Request

import services.api
import shared
from services.api.errors import AlreadyFinished, BadCursor, NoResult, ResultNotReady
from services.api.problems import STATUS, answer, status_of
from shared.db.conflicts import AlreadyExists
from shared.domain.errors import (
    AmcflowError,
    AmcThrottled,
    DatabaseUnavailable,
    FieldProblem,
    InvalidRequest,
    NotFound,
    ResultGone,
    StaleTransition,
    UndecodableMessage,
)
from shared.domain.states import ExecutionState
from shared.intake.errors import IdempotencyKeyReused, InvalidOutputFormat, NotFinished


def every_error() -> list[type[AmcflowError]]:
    for package in (shared, services.api):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if "migrations" not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: list[type[AmcflowError]] = [AmcflowError]
    for kind in found:
        found += [
            child
            for child in kind.__subclasses__()
            if child not in found and child.__module__.startswith(("shared.", "services.api."))
        ]
    return found


def test_every_error_has_the_row_of_its_family():
    families = {kind for kind in STATUS if kind is not AmcflowError}
    bare = {
        kind.__name__
        for kind in every_error()
        if kind is not AmcflowError and not families & set(kind.__mro__)
    }

    # Only what cannot come out of a request: it ends the process at its start.
    assert bare <= {"AddressTaken"}


def test_every_code_is_unique():
    codes = [kind.code for kind in every_error()]

    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (DatabaseUnavailable, 503),
        (NotFound, 404),
        (InvalidRequest, 422),
        (InvalidOutputFormat, 400),
        (IdempotencyKeyReused, 422),
        (BadCursor, 400),
        (AlreadyExists, 409),
        (AlreadyFinished, 409),
        (NotFinished, 409),
        (StaleTransition, 409),
        (ResultGone, 410),
        (UndecodableMessage, 400),
        (AmcflowError, 500),
    ],
)
def test_the_nearest_row_decides(kind: type[AmcflowError], status: int):
    assert status_of(kind) == status


REQUEST = Request(
    {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "server": ("api", 80),
        "path": "/api/v1/x",
        "query_string": b"",
        "headers": [],
        "state": {"request_id": "r-1"},
    }
)


def test_a_problem_has_every_member():
    error = InvalidRequest("No.", problems=(FieldProblem(("a", 1), "is wrong"),), hint="Do.")

    response = answer(error, REQUEST)

    assert json.loads(bytes(response.body)) == {
        "type": "urn:amcflow:problem:invalid_request",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "No.",
        "instance": "/api/v1/x",
        "code": "invalid_request",
        "request_id": "r-1",
        "retryable": False,
        "hint": "Do.",
        "errors": [{"loc": ["a", 1], "msg": "is wrong"}],
    }


def test_a_wait_is_told_in_whole_seconds():
    response = answer(AmcThrottled(wait=timedelta(seconds=2.1)), REQUEST)

    assert response.headers["Retry-After"] == "3"


@pytest.mark.parametrize(("kind", "retryable"), [(ResultNotReady, True), (NoResult, False)])
def test_a_missing_result_says_where_it_stands(kind: type[NoResult], retryable: bool):
    problem = json.loads(bytes(answer(kind(ExecutionState.RUNNING), REQUEST).body))

    assert (problem["execution_status"], problem["retryable"]) == ("running", retryable)


def test_text_that_is_no_unicode_still_becomes_an_answer():
    error = InvalidRequest("\ud800", problems=(FieldProblem(("\ud800",), "x"),))

    assert answer(error, REQUEST).status_code == 422
