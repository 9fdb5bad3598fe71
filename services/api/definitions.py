"""What a workflow declares: its author's parameters and those that only its SQL names."""

from collections.abc import Sequence
from uuid import UUID

from shared.db.workflows import NewDefinition
from shared.domain.claims import DeclaredParameter
from shared.domain.errors import FieldProblem, InvalidRequest
from shared.domain.fingerprint import amc_workflow_id
from shared.domain.parameters import ParameterType, in_order
from shared.sql.reading import SqlReading

_MOST_PARAMETERS = 100
_LONGEST_NAME = 128


def define(
    workflow_id: UUID, sql_query: str, declared: Sequence[DeclaredParameter], reading: SqlReading
) -> NewDefinition:
    """The definition under its name; InvalidRequest where declarations do not fit the SQL."""
    _refuse_doubles(declared)
    _refuse_unused(declared, reading)
    known = {parameter.name for parameter in declared}
    added = [_string(name) for name in reading.parameter_names if name not in known]
    parameters = in_order([*declared, *added])
    if len(parameters) > _MOST_PARAMETERS:
        raise _wrong(("sql_query",), f"names more than AMC's {_MOST_PARAMETERS} parameters")
    return NewDefinition(amc_workflow_id(workflow_id, sql_query, parameters), sql_query, parameters)


def still_used(
    declared: Sequence[DeclaredParameter], reading: SqlReading
) -> tuple[DeclaredParameter, ...]:
    """Those that another SQL text still names; all, if its names are not known."""
    if not reading.whole:
        return tuple(declared)
    return tuple(each for each in declared if each.name in reading.parameter_names)


def _string(name: str) -> DeclaredParameter:
    if not 0 < len(name) <= _LONGEST_NAME:
        raise _wrong(
            ("sql_query",), f"names a parameter that is empty or over {_LONGEST_NAME} characters"
        )
    return DeclaredParameter(name, ParameterType.STRING.value, None, None)


def _refuse_doubles(declared: Sequence[DeclaredParameter]) -> None:
    seen: set[str] = set()
    for index, parameter in enumerate(declared):
        if parameter.name in seen:
            raise _wrong(("parameters", index, "name"), f"{parameter.name!r} is declared twice")
        seen.add(parameter.name)


def _refuse_unused(declared: Sequence[DeclaredParameter], reading: SqlReading) -> None:
    if not reading.whole:
        return
    problems = tuple(
        FieldProblem(
            ("parameters", index, "name"),
            f"{parameter.name!r} is declared, but the SQL never reads"
            f" CUSTOM_PARAMETER('{parameter.name}')",
        )
        for index, parameter in enumerate(declared)
        if parameter.name not in reading.parameter_names
    )
    if problems:
        raise InvalidRequest(problems[0].msg, problems=problems)


def _wrong(loc: tuple[str | int, ...], msg: str) -> InvalidRequest:
    return InvalidRequest(f"{loc[0]}: {msg}.", problems=(FieldProblem(loc, msg),))
