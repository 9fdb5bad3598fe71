"""From a query's text to what DuckDB is given: screened, parsed, bound, guarded.

The same work is done when a workflow is created, to refuse it, and when it runs, with its values.
"""

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.parser import Parser

from services.simulator.duck.bound import VERY_HIGH, BoundQuery
from services.simulator.duck.facts import Facts
from services.simulator.duck.functions import functions
from services.simulator.duck.queries import Queries
from services.simulator.duck.thresholds import Guarded, Privacy, guard
from services.simulator.sql.compiler import compile_query
from services.simulator.sql.source import CompileError, Source

_LEVELS = {4: "VERY_HIGH", 5: "INTERNAL"}
NO_AGGREGATE = "The query must contain at least one aggregate function."
_DEEP = "The query is nested too deeply."


class _PlainParser(Parser):
    """Leaves every call as it is written: what functions there are is not sqlglot's to say."""

    FUNCTIONS = {}  # noqa: RUF012  as the base class has it


class _Plain(Dialect):
    """AMC's grammar as far as sqlglot is asked for it."""

    Parser = _PlainParser
    parser_class = _PlainParser  # type: ignore[assignment]  # declared wider than it is


def prepare(sql: str, facts: Facts, privacy: Privacy) -> Guarded:
    """CompileError, with AMC's cause, for what AMC or this engine refuses."""
    compile_query(sql, facts.types)
    source = Source(sql)
    tree = _parsed(source)
    queries = Queries(source, facts)
    try:
        bound = queries.bind(tree, counted=not privacy.merges)
    except RecursionError:
        raise CompileError(_DEEP) from None
    if facts.controls:
        _check_shown(source, tree, bound)
    return guard(bound, queries.common, privacy)


def _parsed(source: Source) -> exp.Expr:
    try:
        tree = _Plain().parse(source.text)[0]
    except SqlglotError as error:
        raise CompileError(f"Parse error: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise CompileError(_DEEP) from None
    if not isinstance(tree, exp.Query):
        raise source.encountered(source.tokens[0])
    return tree


def _check_shown(source: Source, tree: exp.Expr, bound: BoundQuery) -> None:
    """VERY_HIGH and INTERNAL values are never shown, and a result is never made of event rows."""
    for column in bound.columns:
        if column.bound.level >= VERY_HIGH:
            level = _LEVELS[column.bound.level]
            text = f"Column '{column.name}' with aggregation threshold {level} cannot be selected"
            place = _item(tree, column.name)
            raise source.invalid(place, text) if place is not None else CompileError(text)
    calls = (functions().get(call.name.upper()) for call in tree.find_all(exp.Anonymous))
    if not any(function is not None and function.kind == "aggregate" for function in calls):
        raise CompileError(NO_AGGREGATE)


def _item(tree: exp.Expr, name: str) -> exp.Expr | None:
    selects = tree.selects if isinstance(tree, exp.Query) else []
    return next((item for item in selects if item.alias_or_name == name), None)
