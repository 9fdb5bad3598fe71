"""Reads AMC SQL without judging it: which parameters it names, and what looks wrong.

AMC has the last word on SQL, so nothing here is an error; what the parser cannot follow becomes a
warning. Names are taken from tokens, so that comments and string literals do not fool us. Text
that does not even tokenize (an open quote) is not `whole`: its names are then not known.
"""

import asyncio
import logging
from dataclasses import dataclass

import sqlglot
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.expressions import Expr, Query
from sqlglot.tokenizer_core import Token, TokenType

# Of all dialects the one that follows every AMC query we have, ARRAY and VALUES included.
_DIALECT = "presto"
_INLINE_CHARACTERS = 2_000
_FUNCTION = "CUSTOM_PARAMETER"

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class SqlReading:
    """What a query names and what a person should look at again."""

    parameter_names: tuple[str, ...]
    warnings: tuple[str, ...]
    whole: bool = True


async def read_sql(sql: str) -> SqlReading:
    """The reading; a long text is read in a thread, so that the event loop goes on."""
    if len(sql) <= _INLINE_CHARACTERS:
        return read_sql_now(sql)
    return await asyncio.to_thread(read_sql_now, sql)


def read_sql_now(sql: str) -> SqlReading:
    """The reading, on the spot: up to seconds for 128 kB made to be slow."""
    try:
        tokens = sqlglot.tokenize(sql, read=_DIALECT)
    except TokenError:
        return SqlReading(
            (), ("The SQL has a quote or comment that is never closed.",), whole=False
        )
    return SqlReading(_parameter_names(tokens), _warnings(sql))


def _parameter_names(tokens: list[Token]) -> tuple[str, ...]:
    names = [
        argument.text
        for function, bracket, argument in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if function.token_type is TokenType.VAR
        and function.text.upper() == _FUNCTION
        and bracket.token_type is TokenType.L_PAREN
        and argument.token_type is TokenType.STRING
    ]
    return tuple(dict.fromkeys(names))


def _warnings(sql: str) -> tuple[str, ...]:
    try:
        statements = sqlglot.parse(sql, read=_DIALECT)
    except ParseError as error:
        return (_place(error),)
    except RecursionError:
        return ("The SQL is nested too deeply to be checked here.",)
    except (SqlglotError, ValueError) as error:
        return (f"The SQL could not be checked here: {type(error).__name__}.",)
    return tuple(_shape_warnings([one for one in statements if one is not None]))


def _place(error: ParseError) -> str:
    first = error.errors[0] if error.errors else {}
    what = str(first.get("description") or "does not parse").rstrip(".")
    return f"Line {first.get('line', '?')}, column {first.get('col', '?')}: {what}."


def _shape_warnings(statements: list[Expr]) -> list[str]:
    if not statements:
        return ["The SQL has no statement."]
    if len(statements) > 1:
        return [f"AMC runs a single query; the SQL has {len(statements)} statements."]
    if not isinstance(statements[0], Query):
        return ["AMC runs queries only; the SQL is not a SELECT."]
    return []
