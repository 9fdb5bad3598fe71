"""Operators: comparisons, arithmetic, CASE, CAST, checked and then written for DuckDB."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlglot import exp

from services.simulator.duck.bound import HIGH, LOW, Bound
from services.simulator.duck.types import (
    ANY,
    BOOL,
    NUMBER,
    SPAN,
    STRING,
    TIME,
    duck_type,
    family,
    fits,
    wider,
)
from services.simulator.sql.source import Source

Pair = tuple[Bound, Bound]
COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM",
}  # fmt: skip
ARITHMETIC: dict[type[exp.Expr], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%",
}  # fmt: skip
_CASTS = {
    "BIGINT": ("LONG", "BIGINT"), "INT": ("INTEGER", "INTEGER"), "SMALLINT": ("INTEGER", "INTEGER"),
    "TINYINT": ("INTEGER", "INTEGER"), "DOUBLE": ("DOUBLE", "DOUBLE"),
    "FLOAT": ("DOUBLE", "DOUBLE"),
    "DECIMAL": ("DECIMAL(38,4)", "DECIMAL(38,4)"), "VARCHAR": ("STRING", "VARCHAR"),
    "CHAR": ("STRING", "VARCHAR"), "TEXT": ("STRING", "VARCHAR"), "DATE": ("DATE", "DATE"),
    "TIMESTAMP": ("TIMESTAMP", "TIMESTAMP"), "BOOLEAN": ("BOOLEAN", "BOOLEAN"),
}  # fmt: skip


def combined(
    sql: str, data_type: str, parts: Iterable[Bound], *, level: int | None = None
) -> Bound:
    """The value made of others: the highest class, their literals and their users."""
    known = list(parts)
    return Bound(
        sql,
        data_type,
        level=max((part.level for part in known), default=0) if level is None else level,
        role="METRIC" if any(part.role == "METRIC" for part in known) else "DIMENSION",
        literal=any(part.literal for part in known),
        constant=all(part.constant for part in known),
        own=frozenset().union(*(part.own for part in known)),
        aggregate=any(part.aggregate for part in known),
    )


def check_literals(source: Source, node: exp.Expr, parts: Sequence[Bound]) -> None:
    """HIGH and VERY_HIGH values may not meet a literal, however it is disguised."""
    high = [part for part in parts if part.level >= HIGH]
    if high and any(part.literal or (part.constant and part.sql != "NULL") for part in parts):
        raise source.invalid(
            node, "A column with aggregation threshold HIGH or VERY_HIGH cannot meet a literal"
        )


def compare(source: Source, node: exp.Expr, word: str, pair: Pair) -> Bound:
    left, right = pair
    check_literals(source, node, (left, right))
    one, other = alike(source, node, word, pair)
    return predicate(f"({one} {word} {other})", (left, right))


def predicate(sql: str, parts: Iterable[Bound]) -> Bound:
    """A truth value says little of what was compared: its class is LOW at most."""
    known = list(parts)
    found = combined(
        sql, "BOOLEAN", known, level=min(LOW, max((p.level for p in known), default=0))
    )
    return Bound(
        sql, "BOOLEAN", found.level, "DIMENSION", literal=found.literal, constant=found.constant,
        own=found.own, aggregate=found.aggregate,
    )  # fmt: skip


def alike(source: Source, node: exp.Expr, word: str, pair: Pair) -> tuple[str, str]:
    """Both sides in one family: a text is read as what it is compared with."""
    left, right = pair
    one, other = family(left.data_type), family(right.data_type)
    if fits(one, other):
        return left.sql, right.sql
    if one == STRING and other in {NUMBER, TIME, BOOL}:
        return f"TRY_CAST({left.sql} AS {_read_as(right)})", right.sql
    if other == STRING and one in {NUMBER, TIME, BOOL}:
        return left.sql, f"TRY_CAST({right.sql} AS {_read_as(left)})"
    raise source.invalid(
        node,
        f"Cannot apply '{word}' to arguments of type"
        f" '<{left.data_type}> {word} <{right.data_type}>'",
    )


def _read_as(bound: Bound) -> str:
    kind = family(bound.data_type)
    return (
        "DOUBLE" if kind == NUMBER and "DECIMAL" in bound.data_type else duck_type(bound.data_type)
    )


def arithmetic(source: Source, node: exp.Expr, word: str, pair: Pair) -> Bound:
    left, right = pair
    check_literals(source, node, pair)
    one, other = family(left.data_type), family(right.data_type)
    if fits(NUMBER, one) and fits(NUMBER, other):
        if word == "/":
            return combined(f"({left.sql} / nullif({right.sql}, 0))", "DOUBLE", (left, right))
        if word == "%":
            text = f"({left.sql} % nullif({right.sql}, 0))"
            return combined(text, wider([left.data_type, right.data_type]), (left, right))
        data_type = wider([left.data_type, right.data_type])
        return combined(f"({left.sql} {word} {right.sql})", data_type, (left, right))
    if one == TIME and other == SPAN and word in {"+", "-"}:
        return combined(f"({left.sql} {word} {right.sql})", "TIMESTAMP", (left, right))
    raise source.invalid(
        node,
        f"Cannot apply '{word}' to arguments of type"
        f" '<{left.data_type}> {word} <{right.data_type}>'",
    )


def choose(
    source: Source, node: exp.Expr, tests: Sequence[Bound], values: Sequence[Bound]
) -> Bound:
    """CASE: as many tests as values, or one value more for ELSE."""
    for test in tests:
        need_condition(source, node, test)
    data_type = common_type(source, node, values)
    check_literals(source, node, values)
    pieces = [f"WHEN {t.sql} THEN {v.sql}" for t, v in zip(tests, values, strict=False)]
    if len(values) > len(tests):
        pieces.append(f"ELSE {values[-1].sql}")
    found = combined(f"CASE {' '.join(pieces)} END", data_type, [*tests, *values])
    # What the conditions were compared with chooses among the values; it is none of them.
    return replace(found, literal=any(value.literal for value in values))


def common_type(source: Source, node: exp.Expr, values: Sequence[Bound]) -> str:
    kinds = {family(value.data_type) for value in values} - {ANY}
    if len(kinds) > 1:
        raise source.invalid(node, "Illegal mixing of types in CASE or COALESCE statement")
    return wider([value.data_type for value in values])


def need_condition(source: Source, node: exp.Expr, bound: Bound) -> None:
    if not fits(BOOL, family(bound.data_type)):
        raise source.invalid(node, "Expected a boolean type")


def cast(source: Source, node: exp.Cast, inner: Bound, now: str) -> Bound:
    """CAST('today' AS DATE) and CAST('now' AS TIMESTAMP) follow the simulator's clock."""
    kind = node.to.this
    name = str(kind.value if isinstance(kind, exp.DataType.Type) else kind).upper()
    if name not in _CASTS:
        raise source.invalid(node, f"Unknown datatype name '{name}'")
    data_type, duck = _CASTS[name]
    literal = node.this.name.lower() if isinstance(node.this, exp.Literal) else ""
    if literal in {"today", "now"} and data_type in {"DATE", "TIMESTAMP"}:
        return combined(f"CAST({now} AS {duck})", data_type, (inner,))
    number = family(inner.data_type) == NUMBER and family(data_type) == TIME
    if number or family(inner.data_type) in {"array", "row"}:
        text = f"Cast function cannot convert value of type {inner.data_type} to type {data_type}"
        raise source.invalid(node, text)
    if data_type in {"INTEGER", "LONG"} and family(inner.data_type) == NUMBER:
        return combined(f"TRY_CAST(trunc({inner.sql}) AS {duck})", data_type, (inner,))
    # What cannot be read is NULL: an error would stop the run, and its text would show the value.
    return combined(f"TRY_CAST({inner.sql} AS {duck})", data_type, (inner,))
