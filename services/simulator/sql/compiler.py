"""Compiles a workflow's SQL as far as AMC does when a workflow is created.

Order: directives, tokens, parse, nodes, parameters, names. The answer is the same for the same
text, so it is remembered: one workflow is usually put on many instances.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from services.simulator.catalogue import Column
from services.simulator.sql.binder import Binder
from services.simulator.sql.directives import Directives, directives_of
from services.simulator.sql.screen import screen_tokens, screen_tree
from services.simulator.sql.source import CompileError, Source

MOST_CHARACTERS = 2**18
"""Ours: what is longer takes more than ten seconds to be understood. Amazon tells no limit."""
_OWN_AGGREGATES = frozenset({"COLLECT", "PERCENTILE", "APPROX_PERCENTILE"})
_UNKNOWN_RESULT = (Column("EXPR$0", "STRING", "DIMENSION"),)


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """A query AMC would run."""

    sql: str
    columns: tuple[Column, ...]
    parameters: frozenset[str]
    """Names used by CUSTOM_PARAMETER."""
    directives: Directives
    declared: Mapping[str, str] = field(default_factory=dict)
    """Data types of the input parameters."""
    aggregates: bool = True
    """Some call adds rows up."""


def compile_query(sql: str, declared: Mapping[str, str]) -> CompiledQuery:
    """CompileError with AMC's cause; `declared` has the data type of each input parameter.

    A parameter that is used and not declared is the caller's to refuse: AMC was seen doing it at
    create and is said to do it at run.
    """
    return _compiled(sql, tuple(sorted(declared.items())))


@lru_cache(maxsize=2048)
def _compiled(sql: str, declared: tuple[tuple[str, str], ...]) -> CompiledQuery:
    if len(sql) > MOST_CHARACTERS:
        raise CompileError(
            f"The query has {len(sql)} characters; this simulator takes up to {MOST_CHARACTERS}."
        )
    directives = directives_of(sql)
    source = Source(sql)
    screen_tokens(source)
    tree = _parsed(source)
    screen_tree(source, tree)
    try:
        columns = Binder(source, dict(declared)).columns(tree)
    except RecursionError:
        raise CompileError("The query is nested too deeply.") from None
    return CompiledQuery(
        sql, columns or _UNKNOWN_RESULT, _parameters(tree), directives, dict(declared),
        aggregates=_aggregates(tree),
    )  # fmt: skip


def _parsed(source: Source) -> exp.Expr:
    try:
        tree = sqlglot.parse_one(source.text)
    except SqlglotError as error:
        raise _parse_error(source, error) from None
    except RecursionError:
        raise CompileError("The query is nested too deeply.") from None
    except (IndexError, KeyError, TypeError, AttributeError, ValueError):
        # sqlglot's function builders do not check how many arguments they were given.
        raise CompileError("Invalid number of arguments to a function.") from None
    if not isinstance(tree, exp.Query):
        raise source.encountered(source.tokens[0])
    return tree


def _parse_error(source: Source, error: SqlglotError) -> CompileError:
    details = getattr(error, "errors", None) or [{}]
    line, column = details[0].get("line"), details[0].get("col")
    for token in source.tokens:
        if (token.line, token.col) == (line, column):
            return source.encountered(token)
    return CompileError(f"Parse error: {str(error).splitlines()[0]}")


def _aggregates(tree: exp.Expr) -> bool:
    return any(
        isinstance(node, exp.AggFunc)
        or (isinstance(node, exp.Anonymous) and node.name.upper() in _OWN_AGGREGATES)
        for node in tree.find_all(exp.AggFunc, exp.Anonymous)
    )


def _parameters(tree: exp.Expr) -> frozenset[str]:
    return frozenset(
        node.expressions[0].name
        for node in tree.find_all(exp.Anonymous)
        if node.name.upper() == "CUSTOM_PARAMETER" and node.expressions
    )
