"""Turns the complaints of pydantic into our own errors, the same at every door."""

from collections.abc import Sequence

from pydantic_core import ErrorDetails

from shared.domain.errors import FieldProblem, InvalidRequest
from shared.intake.errors import InvalidOutputFormat

SHOWN = 100
"""A bulk request with every item wrong is not answered with 10,000 sentences."""

_BODY = "body"
_OUTPUT_FORMAT = "output_format"


def invalid(errors: Sequence[ErrorDetails]) -> InvalidRequest:
    """The error that names each field; InvalidOutputFormat if nothing else is wrong."""
    problems = [FieldProblem(_place(error["loc"]), error["msg"]) for error in errors]
    return refused(problems)


def refused(problems: Sequence[FieldProblem]) -> InvalidRequest:
    """The error for these, with a sentence that says how many there are."""
    kind = (
        InvalidOutputFormat
        if all(problem.loc[-1:] == (_OUTPUT_FORMAT,) for problem in problems)
        else InvalidRequest
    )
    return kind(_sentence(problems), problems=tuple(problems[:SHOWN]))


def _sentence(problems: Sequence[FieldProblem]) -> str:
    first = problems[0]
    where = ".".join(str(part) for part in first.loc) or "The body"
    sentence = f"{where}: {first.msg.rstrip('.')}."
    rest = len(problems) - 1
    return f"{sentence} {rest} more problem{'s' * (rest > 1)}." if rest else sentence


def _place(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    return loc[1:] if loc[:1] == (_BODY,) else loc
