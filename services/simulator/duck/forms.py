"""Literals, predicates, CASE, times, arrays: how each kind of node is bound.

What has no entry in FORMS or CALLS is refused: sqlglot reads far more than AMC does.
"""

from collections.abc import Callable

from sqlglot import exp

from services.simulator.duck.bound import NONE, Bound
from services.simulator.duck.expressions import Expressions
from services.simulator.duck.facts import moment_sql, text_sql
from services.simulator.duck.operators import (
    cast,
    check_literals,
    choose,
    combined,
    common_type,
    compare,
    need_condition,
    predicate,
)
from services.simulator.duck.subqueries import bind_exists, bind_in
from services.simulator.duck.types import NUMBER, STRING, TIME, element_of, family, fits
from services.simulator.sql.source import CompileError

_UNITS = frozenset({"SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})
_PARTS = _UNITS | {"DOW", "DOY", "EPOCH", "ISODOW"}
_BLIND = "(?!)"
"""Published queries write this for `ignore case`; in a Java pattern it would match nothing."""


def _literal(_self: Expressions, node: exp.Expr) -> Bound:
    if isinstance(node, exp.Literal) and node.is_string:
        return Bound(text_sql(str(node.this)), "STRING", literal=True, constant=True)
    text = str(node.this)
    if text.isdigit():
        wide = "INTEGER" if int(text) < 2**31 else "LONG"
        return Bound(text if int(text) < 2**63 else f"{text}.0", wide, literal=True, constant=True)
    wide = "DOUBLE" if "e" in text.lower() else "DECIMAL(38,4)"
    try:
        float(text)
    except ValueError:
        raise CompileError(f"'{text}' is not a number.") from None
    return Bound(text, wide, literal=True, constant=True)


def _boolean(_self: Expressions, node: exp.Expr) -> Bound:
    return Bound("TRUE" if node.this else "FALSE", "BOOLEAN", literal=True, constant=True)


def _null(_self: Expressions, _node: exp.Expr) -> Bound:
    return Bound("NULL", "ANY", constant=True)


def _paren(self: Expressions, node: exp.Expr) -> Bound:
    if isinstance(node.this, exp.Query):
        raise self.source.invalid(node, "Scalar sub-queries are not supported here; join instead")
    return self.bind(node.this)


def _logic(self: Expressions, node: exp.Expr) -> Bound:
    word = "AND" if isinstance(node, exp.And) else "OR"
    parts = [self.bind(side) for side in (node.this, node.expression)]
    for part in parts:
        need_condition(self.source, node, part)
    return predicate(f"({parts[0].sql} {word} {parts[1].sql})", parts)


def _not(self: Expressions, node: exp.Expr) -> Bound:
    inner = self.bind(node.this)
    need_condition(self.source, node, inner)
    return predicate(f"(NOT {inner.sql})", [inner])


def _negative(self: Expressions, node: exp.Expr) -> Bound:
    inner = self.bind(node.this)
    if not fits(NUMBER, family(inner.data_type)):
        raise self.source.invalid(node, f"Cannot apply '-' to type '<{inner.data_type}>'")
    return combined(f"(- {inner.sql})", inner.data_type, [inner])


def _is(self: Expressions, node: exp.Expr) -> Bound:
    inner = self.bind(node.this)
    if isinstance(node.expression, exp.Null):
        found = predicate(f"({inner.sql} IS NULL)", [inner])
        return Bound(
            found.sql, "BOOLEAN", NONE, literal=False, constant=found.constant, own=found.own,
            aggregate=found.aggregate,
        )  # fmt: skip
    if isinstance(node.expression, exp.Boolean):
        need_condition(self.source, node, inner)
        return predicate(f"({inner.sql} IS {'TRUE' if node.expression.this else 'FALSE'})", [inner])
    raise self.source.invalid(node, "IS is followed by NULL, TRUE or FALSE")


def _between(self: Expressions, node: exp.Expr) -> Bound:
    inner, low, high = (self.bind(node.args[key]) for key in ("this", "low", "high"))
    left = compare(self.source, node, ">=", (inner, low))
    right = compare(self.source, node, "<=", (inner, high))
    return predicate(f"({left.sql} AND {right.sql})", [left, right])


def _like(self: Expressions, node: exp.Expr) -> Bound:
    inner, pattern = self.bind(node.this), self.bind(node.expression)
    if not fits(STRING, family(inner.data_type)) or not fits(STRING, family(pattern.data_type)):
        raise self.source.invalid(node, "Cannot apply 'LIKE' to these arguments")
    check_literals(self.source, node, [inner, pattern])
    return predicate(f"({inner.sql} LIKE {pattern.sql})", [inner, pattern])


def _similar(self: Expressions, node: exp.Expr) -> Bound:
    """A Java pattern that is found anywhere; DuckDB's own SIMILAR TO matches the whole text."""
    inner, pattern = self.bind(node.this), self.bind(node.expression)
    if not fits(STRING, family(inner.data_type)) or not fits(STRING, family(pattern.data_type)):
        raise self.source.invalid(node, "Cannot apply 'SIMILAR TO' to these arguments")
    check_literals(self.source, node, [inner, pattern])
    text = pattern.sql
    if isinstance(node.expression, exp.Literal):
        found = str(node.expression.this)
        found = "(?i)" + found.removeprefix(_BLIND) if found.startswith(_BLIND) else found
        if any(mark in found for mark in ("(?=", "(?!", "(?<=", "(?<!")):
            raise self.source.invalid(node, "Look-around patterns are not supported here")
        text = text_sql(found)
    return predicate(f"regexp_matches({inner.sql}, {text})", [inner, pattern])


def _case(self: Expressions, node: exp.Expr) -> Bound:
    operand = self.bind(node.this) if node.args.get("this") else None
    tests, values = [], []
    for when in node.args["ifs"]:
        test = self.bind(when.this)
        tests.append(compare(self.source, when, "=", (operand, test)) if operand else test)
        values.append(self.bind(when.args["true"]))
    if node.args.get("default") is not None:
        values.append(self.bind(node.args["default"]))
    return choose(self.source, node, tests, values)


def _if(self: Expressions, node: exp.Expr) -> Bound:
    values = [self.bind(node.args[key]) for key in ("true", "false") if node.args.get(key)]
    return choose(self.source, node, [self.bind(node.this)], values)


def _cast(self: Expressions, node: exp.Expr) -> Bound:
    assert isinstance(node, exp.Cast)
    return cast(self.source, node, self.bind(node.this), moment_sql(self.facts.now))


def _extract(self: Expressions, node: exp.Expr) -> Bound:
    part, inner = node.this.name.upper(), self.bind(node.expression)
    if part not in _PARTS or not fits(TIME, family(inner.data_type)):
        raise self.source.invalid(node, "EXTRACT needs a unit of time and a time")
    # As Calcite counts them, and as the guide counts DAYOFWEEK: Sunday is 1.
    first = " + 1" if part == "DOW" else ""
    return combined(f"(CAST(extract({part} FROM {inner.sql}) AS BIGINT){first})", "LONG", [inner])


def _interval(self: Expressions, node: exp.Expr) -> Bound:
    unit = node.args.get("unit")
    name = unit.name.upper().removesuffix("S") if isinstance(unit, exp.Var) else ""
    number = node.this.name if isinstance(node.this, exp.Literal) else ""
    if name not in _UNITS or not number.removeprefix("-").isdigit():
        raise self.source.invalid(node, "An interval needs a whole number and a unit of time")
    return Bound(f"INTERVAL '{int(number)}' {name}", "INTERVAL", literal=True, constant=True)


def _today(self: Expressions, node: exp.Expr) -> Bound:
    now = moment_sql(self.facts.now)
    if isinstance(node, exp.CurrentDate):
        return Bound(f"CAST({now} AS DATE)", "DATE", constant=True)
    return Bound(now, "TIMESTAMP", constant=True)


def _array(self: Expressions, node: exp.Expr) -> Bound:
    items = [self.bind(item) for item in node.expressions]
    data_type = common_type(self.source, node, items)
    return combined(f"[{', '.join(i.sql for i in items)}]", f"ARRAY<{data_type}>", items)


def _bracket(self: Expressions, node: exp.Expr) -> Bound:
    array = self.bind(node.this)
    indexes = [self.bind(item) for item in node.expressions]
    check_literals(self.source, node, [array, *indexes])
    if len(indexes) == 1 and array.data_type == "MAP":
        return combined(f"({array.sql})[{indexes[0].sql}]", "STRING", [array, *indexes])
    numeric = len(indexes) == 1 and fits(NUMBER, family(indexes[0].data_type))
    if not numeric or not fits("array", family(array.data_type)):
        raise self.source.invalid(node, "Cannot apply 'ITEM' to these arguments")
    sql = f"({array.sql})[CAST({indexes[0].sql} AS BIGINT)]"
    return combined(sql, element_of(array.data_type), [array, *indexes])


def _call_as(name: str, *keys: str) -> Callable[[Expressions, exp.Expr], Bound]:
    def bind(self: Expressions, node: exp.Expr) -> Bound:
        parts = [node.args[key] for key in keys if node.args.get(key) is not None]
        call = exp.Anonymous(this=name, expressions=[part.copy() for part in parts])
        return self.call(call)

    return bind


def _trim(self: Expressions, node: exp.Expr) -> Bound:
    inner = self.bind(node.this)
    marks = self.bind(node.expression) if node.args.get("expression") is not None else None
    if not fits(STRING, family(inner.data_type)):
        raise self.source.invalid(node, "Cannot apply 'TRIM' to these arguments")
    word = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position")), "trim")
    parts = [inner, *([marks] if marks else [])]
    return combined(f"{word}({', '.join(p.sql for p in parts)})", "STRING", parts)


def _custom(self: Expressions, node: exp.Expr) -> Bound:
    name = _only_text(self, node)
    sql, data_type = self.facts.parameter(name)
    return Bound(sql, data_type, literal=True, constant=True)


def _built_in(self: Expressions, node: exp.Expr) -> Bound:
    known = {"TIME_WINDOW_START": self.facts.start, "TIME_WINDOW_END": self.facts.end}
    name = _only_text(self, node)
    if name not in known:
        raise self.source.invalid(node, f"Unknown built-in parameter '{name}'")
    return Bound(moment_sql(known[name]), "TIMESTAMP", constant=True)


def _only_text(self: Expressions, node: exp.Expr) -> str:
    first = next(iter(node.expressions), None)
    if len(node.expressions) != 1 or not isinstance(first, exp.Literal) or not first.is_string:
        raise self.source.invalid(node, f"{node.name.upper()} needs the name of a parameter")
    return str(first.this)


def _named_row(self: Expressions, node: exp.Expr) -> Bound:
    items = node.expressions
    names = [item.name for item in items[::2] if isinstance(item, exp.Literal) and item.is_string]
    values = [self.bind(item) for item in items[1::2]]
    if not names or len(names) != len(values) or len(items) % 2 or len(set(names)) != len(names):
        raise self.source.invalid(node, "NAMED_ROW needs pairs of a name and a value")
    inner = ", ".join(
        f'"{name.replace(chr(34), chr(34) * 2)}" := {value.sql}'
        for name, value in zip(names, values, strict=True)
    )
    return combined(f"struct_pack({inner})", "ROW", values)


def _format(self: Expressions, node: exp.Expr) -> Bound:
    raise self.source.invalid(node, "FORMAT is not supported: its patterns are not published")


FORMS: dict[type[exp.Expr], Callable[[Expressions, exp.Expr], Bound]] = {
    exp.Column: Expressions.column,
    exp.Anonymous: Expressions.call,
    exp.Filter: Expressions.filtered,
    exp.Window: Expressions.window,
    exp.Literal: _literal, exp.Boolean: _boolean, exp.Null: _null, exp.Paren: _paren,
    exp.Subquery: _paren, exp.And: _logic, exp.Or: _logic, exp.Not: _not, exp.Neg: _negative,
    exp.Is: _is, exp.Between: _between, exp.In: bind_in, exp.Exists: bind_exists, exp.Like: _like,
    exp.SimilarTo: _similar, exp.Case: _case, exp.If: _if, exp.Cast: _cast,
    exp.Extract: _extract, exp.Interval: _interval, exp.CurrentDate: _today,
    exp.CurrentTimestamp: _today, exp.Array: _array, exp.Bracket: _bracket, exp.Trim: _trim,
    exp.Substring: _call_as("SUBSTR", "this", "start", "length"),
    exp.Ceil: _call_as("CEIL", "this"),
    exp.Floor: _call_as("FLOOR", "this"),
    exp.StrPosition: _call_as("INSTR", "this", "substr"),
}  # fmt: skip
CALLS: dict[str, Callable[[Expressions, exp.Expr], Bound]] = {
    "CUSTOM_PARAMETER": _custom,
    "BUILT_IN_PARAMETER": _built_in,
    "NAMED_ROW": _named_row,
    "FORMAT": _format,
}
