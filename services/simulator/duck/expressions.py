"""Binds expressions: names, types, classes and users in one pass, into DuckDB's SQL.

What has no entry here is refused: sqlglot reads far more than AMC does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from services.simulator.duck.bound import NONE, Bound, BoundQuery, Scope
from services.simulator.duck.facts import Facts
from services.simulator.duck.functions import Function, functions, signature
from services.simulator.duck.grouping import GATHERED, GATHERING, Grouping
from services.simulator.duck.operators import (
    ARITHMETIC,
    COMPARISONS,
    arithmetic,
    check_literals,
    combined,
    common_type,
    compare,
)
from services.simulator.duck.types import BOOL, NUMBER, family, fits
from services.simulator.duck.windows import WindowBinder
from services.simulator.sql.source import Source

_COUNTS = frozenset({"COUNT", "APPROX_COUNT_DISTINCT"})
Subquery = Callable[[exp.Expr, Scope], BoundQuery]
Form = Callable[["Expressions", exp.Expr], Bound]


@dataclass(slots=True)
class Expressions:
    """Binds the expressions of one SELECT."""

    source: Source
    facts: Facts
    scope: Scope
    subquery: Subquery
    grouping: Grouping
    forms: Mapping[type[exp.Expr], "Form"]
    """How each kind of node is bound."""
    calls: Mapping[str, "Form"]
    """Calls that are no functions: parameters, rows."""
    name: Callable[[], str]
    """Makes names of relations."""
    place: str | None = None
    """The clause aggregates are illegal in, while it is bound."""
    named_windows: dict[str, exp.Window] = field(default_factory=dict)
    laterals: dict[str, str] = field(default_factory=dict)
    """Relations beside those of FROM, by name: the users behind what sub-queries found."""
    _inside: bool = False
    """Within an aggregate or a key, where columns need not be grouped."""

    def bind(self, node: exp.Expr) -> Bound:
        if self.grouping.grouped and not self._inside and node in self.grouping.key_nodes:
            return self._freely(node)
        bind = self.forms.get(type(node))
        if bind is not None:
            return bind(self, node)
        for table, write in ((COMPARISONS, compare), (ARITHMETIC, arithmetic)):
            if type(node) in table:
                pair = self.bind(node.this), self.bind(node.expression)
                return write(self.source, node, table[type(node)], pair)
        raise self.source.invalid(node, f"{type(node).__name__.upper()} is not supported")

    def beside(self, sql: str) -> str:
        """The name of a relation that has one row for each row of FROM."""
        known = {text: name for name, text in self.laterals.items()}
        return known.get(sql) or self._beside(sql)

    def _beside(self, sql: str) -> str:
        name = f"{self.name()}x"
        self.laterals[name] = sql
        return name

    def condition(self, node: exp.Expr, place: str | None) -> Bound:
        """A truth value; CompileError for an aggregate where `place` has none."""
        before, self.place = self.place, place
        bound = self.bind(node)
        self.place = before
        if not fits(BOOL, family(bound.data_type)):
            raise self.source.invalid(node, f"{place or 'HAVING'} clause must be a condition")
        return bound

    def condition_free(self, node: exp.Expr, place: str) -> Bound:
        """Any value of a clause that has no aggregates."""
        before, self.place = self.place, place
        bound = self.bind(node)
        self.place = before
        return bound

    def _freely(self, node: exp.Expr) -> Bound:
        before, self._inside = self._inside, True
        bound = self.forms[type(node)](self, node) if type(node) in self.forms else self.bind(node)
        self._inside = before
        return bound

    def within(self, node: exp.Expr) -> Bound:
        """An argument of an aggregate."""
        before, self._inside = self._inside, True
        bound = self.bind(node)
        self._inside = before
        return bound

    def column(self, node: exp.Expr) -> Bound:
        assert isinstance(node, exp.Column)
        bound = self._resolve(node, self.scope)
        grouping = self.grouping
        if grouping.grouped and not self._inside and bound.sql not in grouping.keys:
            raise self.source.invalid(node, f"Expression '{node.sql()}' is not being grouped")
        return bound

    def _resolve(self, node: exp.Column, scope: Scope | None) -> Bound:
        name, alias = node.name.lower(), node.table.lower()
        while scope is not None:
            members = [scope.members[alias]] if alias in scope.members else []
            members = members if alias else list(scope.members.values())
            found = [member.columns[name] for member in members if name in member.columns]
            if len(found) > 1 and name in scope.shared:
                return self._merged(found)
            if len(found) > 1:
                raise self.source.invalid(node, f"Column '{node.name}' is ambiguous")
            if found:
                return found[0]
            scope = scope.parent
        raise self.source.invalid(node, f"Column '{node.name}' not found in any table")

    def _merged(self, found: list[Bound]) -> Bound:
        bound = combined(f"coalesce({', '.join(b.sql for b in found)})", found[0].data_type, found)
        return self._same_user(bound, found)

    def _same_user(self, bound: Bound, parts: list[Bound]) -> Bound:
        users = {part.user and self.scope.representative(part.user) for part in parts}
        if len(users) != 1 or None in users:
            return replace(bound, user=None, also=frozenset())
        names = [name for part in parts if part.user for name in (part.user, *part.also)]
        return replace(bound, user=names[0], also=frozenset(names[1:]))

    def call(self, node: exp.Expr) -> Bound:
        assert isinstance(node, exp.Anonymous)
        name = node.name.upper()
        special = self.calls.get(name)
        if special is not None:
            return special(self, node)
        function = functions().get(name)
        if function is not None and function.kind == "aggregate":
            return self.aggregate(node, function, None)
        arguments = [self.bind(argument) for argument in node.expressions]
        types = [argument.data_type for argument in arguments]
        if function is None or function.kind == "window" or not function.takes(types):
            text = f"No match found for function signature {signature(name, types)}"
            raise self.source.invalid(node, text)
        return self._scalar(node, function, arguments)

    def _scalar(self, node: exp.Expr, function: Function, arguments: list[Bound]) -> Bound:
        if not function.is_total:
            check_literals(self.source, node, arguments)
        if function.result == "same" and function.families[0] == "any":
            common_type(self.source, node, arguments)
        data_type = function.result_type([a.data_type for a in arguments])
        sql = function.write([a.sql for a in arguments], data_type)
        bound = combined(sql, data_type, arguments)
        return self._same_user(bound, arguments) if function.name == "COALESCE" else bound

    def aggregate(
        self, node: exp.Anonymous, function: Function, only: Bound | None, over: str | None = None
    ) -> Bound:
        """A call over a group's rows; with `only`, over those for which it holds."""
        if self.place is not None:
            text = f"Aggregate expression is illegal in {self.place} clause"
            raise self.source.invalid(node, text)
        if self._inside:
            raise self.source.invalid(node, "Aggregate expressions cannot be nested")
        items, distinct = self._arguments(node)
        star = function.name == "COUNT" and isinstance(next(iter(items), None), exp.Star)
        arguments = [] if star else [self.within(item) for item in items]
        types = [argument.data_type for argument in arguments]
        if not star and not function.takes(types):
            text = f"No match found for function signature {signature(function.name, types)}"
            raise self.source.invalid(node, text)
        parts = [*arguments, *([only] if only else [])]
        sql = self._aggregate_sql(function, arguments, distinct=distinct, star=star)
        data_type = function.result_type(types) if arguments else "LONG"
        if function.name == "SUM" and data_type == "LONG":
            sql, over = f"CAST({self._filtered(sql, only)}{over or ''} AS BIGINT)", None
        elif only or over:
            sql = self._filtered(sql, only) + (over or "")
        counts = function.name in _COUNTS
        bound = combined(sql, data_type, parts, level=NONE if counts else None)
        literal = bound.literal or not self.scope.row_slots()
        if function.name in GATHERING:
            self._check_gathered(node, arguments)
        contributing = self._contributing(arguments, only, counts=counts, star=star)
        own = self.grouping.contributors(bound.own, contributing)
        dimension = counts and (distinct or function.name != "COUNT")
        metric = function.name not in {"MIN", "MAX", "ANY_VALUE", "COLLECT", "ARRAY_AGG"}
        role = "METRIC" if not dimension and (metric or bound.role == "METRIC") else "DIMENSION"
        return Bound(sql, data_type, bound.level, role, literal=literal, own=own, aggregate=True)

    def _check_gathered(self, node: exp.Expr, arguments: list[Bound]) -> None:
        """A list of values shows each of them, so all must be one user's."""
        grouping = self.grouping
        users = grouping.user_slots()
        alone = all(grouping.keeps(slot, users) for slot in self.scope.row_slots())
        if not alone or any(argument.own for argument in arguments):
            raise self.source.invalid(node, GATHERED)

    def _filtered(self, sql: str, only: Bound | None) -> str:
        return f"{sql} FILTER (WHERE {only.sql})" if only else sql

    def _arguments(self, node: exp.Anonymous) -> tuple[list[exp.Expr], bool]:
        first = next(iter(node.expressions), None)
        if isinstance(first, exp.Distinct):
            return list(first.expressions), True
        return list(node.expressions), False

    def _aggregate_sql(
        self, function: Function, arguments: list[Bound], *, distinct: bool, star: bool
    ) -> str:
        texts = ["*"] if star else [argument.sql for argument in arguments]
        if len(texts) > 1 and function.name == "COUNT":
            # All must be there; the pair is what is counted.
            nulls = " OR ".join(f"{text} IS NULL" for text in texts)
            texts = [f"CASE WHEN {nulls} THEN NULL ELSE row({', '.join(texts)}) END"]
        sql = function.write(texts, "")
        return sql.replace("(", "(DISTINCT ", 1) if distinct else sql

    def _contributing(
        self, arguments: list[Bound], only: Bound | None, *, counts: bool, star: bool
    ) -> str | None:
        tests = [only.sql] if only else []
        for argument in [] if star else arguments[:1]:
            zero = not counts and family(argument.data_type) == NUMBER
            tests.append(f"{argument.sql} <> 0" if zero else f"{argument.sql} IS NOT NULL")
        return " AND ".join(tests) or None

    def filtered(self, node: exp.Expr) -> Bound:
        call = node.this
        function = functions().get(call.name.upper()) if isinstance(call, exp.Anonymous) else None
        if function is None or function.kind != "aggregate":
            raise self.source.invalid(node, "FILTER must be applied to an aggregate function")
        before, self._inside = self._inside, True
        only = self.condition(node.expression.this, "FILTER")
        self._inside = before
        return self.aggregate(call, function, only)

    def window(self, node: exp.Expr) -> Bound:
        assert isinstance(node, exp.Window)
        return WindowBinder(self).bind(node)
