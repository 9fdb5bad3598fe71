"""The tree of errors: complete, and each with a code of its own."""

import inspect
import re
from datetime import timedelta

import pytest

from shared.domain import errors
from shared.domain.errors import (
    AmcflowError,
    AmcThrottled,
    ContractError,
    FieldProblem,
    InvalidRequest,
    PermanentError,
    QueryRejected,
    TransientError,
)

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ == errors.__name__
]
TREE = re.findall(r"^( +)([A-Z]\w+)(?: |$)", errors.__doc__ or "", re.MULTILINE)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_belongs_to_the_tree(kind: type[AmcflowError]) -> None:
    assert issubclass(kind, AmcflowError)


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in CLASSES]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_names_its_own_code(kind: type[AmcflowError]) -> None:
    assert "code" in vars(kind)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    parents: list[str] = []
    drawn = {}
    for indent, name in TREE:
        depth = len(indent) // 2 - 2
        drawn[name] = parents[depth - 1] if depth else "Exception"
        parents[depth:] = [name]

    assert drawn == {kind.__name__: kind.__base__.__name__ for kind in CLASSES if kind.__base__}


@pytest.mark.parametrize("kind", PermanentError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_what_ends_an_execution_says_what_to_do(kind: type[AmcflowError]) -> None:
    if kind.__name__ != "RemoteNotFound":
        assert kind("it went wrong").hint


def test_a_message_of_its_own_wins_over_the_classes() -> None:
    error = QueryRejected("line 3: no such column", hint="Ask Anna.")

    assert (error.message, str(error), error.hint) == (
        "line 3: no such column",
        "line 3: no such column",
        "Ask Anna.",
    )


def test_an_error_without_a_message_says_what_its_class_says() -> None:
    assert QueryRejected().message == "AMC refuses the SQL or the request."


@pytest.mark.parametrize("wait", [None, timedelta(seconds=3)])
def test_a_passing_error_may_know_how_long_to_wait(wait: timedelta | None) -> None:
    assert AmcThrottled("slow down", wait=wait).wait == wait
    assert issubclass(AmcThrottled, TransientError)


def test_an_invalid_request_names_each_field() -> None:
    problem = FieldProblem(("items", 3, "priority"), "is too high")

    error = InvalidRequest("wrong", problems=(problem,))

    assert [(found.loc, found.msg) for found in error.problems] == [
        (("items", 3, "priority"), "is too high")
    ]
    assert not isinstance(error, ContractError)
