"""Binds FROM: tables, CTEs, sub-queries, VALUES, UNNEST, and the joins between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlglot import exp

from services.simulator.catalogue import DataSource
from services.simulator.duck.bound import (
    Bound,
    BoundQuery,
    Member,
    OutColumn,
    Scope,
    member_of,
)
from services.simulator.duck.extra_tables import all_tables
from services.simulator.duck.facts import length_of
from services.simulator.duck.operators import common_type, compare
from services.simulator.duck.tables import scan
from services.simulator.duck.types import element_of, family, fits

if TYPE_CHECKING:
    from services.simulator.duck.expressions import Expressions
    from services.simulator.duck.queries import Queries

_EXTEND = "EXTEND_TIME_WINDOW"
_JOINS = {"": "JOIN", "LEFT": "LEFT JOIN", "FULL": "FULL JOIN"}
_LENGTHS = 3
Text = Callable[[], str]


@dataclass(slots=True)
class Relations:
    """FROM and the joins of one SELECT."""

    queries: "Queries"
    binder: "Expressions"
    ctes: Mapping[str, BoundQuery]
    texts: list[Text] = field(default_factory=list)

    def bind(self, node: exp.Select) -> Text | None:
        """The text of FROM, to be asked for when the select list is bound; None without one."""
        from_ = node.args.get("from_")
        if from_ is None:
            return None
        self._add(from_.this, "")
        for join in [*(from_.this.args.get("joins") or []), *(node.args.get("joins") or [])]:
            self._join(join)
        for lateral in node.args.get("laterals") or []:
            raise self.queries.source.invalid(lateral, "LATERAL is not supported; use UNNEST")
        return self._text

    def _text(self) -> str:
        return " ".join(text() for text in self.texts)

    def condition(self, node: exp.Expr, place: str) -> str:
        """The text of WHERE or ON; whoever stands behind its values stands behind the rows."""
        bound = self.binder.condition(node, place)
        self.binder.scope.lean_on(bound)
        return bound.sql

    def unite_users(self, condition: exp.Expr, *, outer: bool = False) -> None:
        """User ids that a condition makes equal are one user's rows. That of an outer join only
        says whose the newest relation's rows are: all other rows stay, equal or not."""
        inner = condition.unnest()
        if isinstance(inner, exp.And):
            self.unite_users(inner.this, outer=outer)
            self.unite_users(inner.expression, outer=outer)
        elif isinstance(inner, exp.EQ):
            sides = inner.this.unnest(), inner.expression.unnest()
            if all(_names_users(side) for side in sides):
                users = [self.binder.bind(side).user for side in sides]
                self._unite(users[0], users[1], outer=outer)

    def _unite(self, one: str | None, other: str | None, *, outer: bool) -> None:
        scope = self.binder.scope
        if one is None or other is None:
            return
        newest = {slot.sql for slot in list(scope.members.values())[-1].slots}
        if not outer or any(slot in newest and scope.is_alone(slot) for slot in (one, other)):
            scope.unite(one, other)

    def _leave_out(self, side: str) -> None:
        """The newest relation of an outer join, and those before it in a full one, have rows
        without a partner."""
        *before, newest = self.binder.scope.members.values()
        for member in [newest, *(before if side == "FULL" else [])] if side else []:
            self.binder.scope.absent |= {slot.sql for slot in member.slots}

    def _add(self, node: exp.Expr, word: str) -> None:
        alias, member = self._member(node)
        scope = self.binder.scope
        if alias in scope.members:
            raise self.queries.source.invalid(
                node, f"Duplicate relation name '{alias}' in FROM clause"
            )
        scope.members[alias] = member
        self.texts += [lambda: word, member.text]

    def _join(self, join: exp.Join) -> None:
        side, kind = (str(join.args.get(key) or "").upper() for key in ("side", "kind"))
        conditions = join.args.get("on"), join.args.get("using")
        odd = kind not in {"", "INNER", "OUTER", "CROSS"} or side not in _JOINS
        if odd or join.args.get("method"):
            raise self.queries.source.invalid(join, "This kind of join is not supported")
        if not any(conditions) and (side or kind == "INNER"):
            raise self.queries.source.invalid(join, "A join needs a condition")
        self._add(join.this, _JOINS[side] if any(conditions) else "CROSS JOIN")
        on, using = conditions
        self._leave_out(side)
        if on is not None:
            self.unite_users(on, outer=bool(side))
            condition = self.condition(on, "ON")
            self.texts.append(lambda: f"ON {condition}")
        elif using:
            text = " AND ".join(self._using(join, name) for name in using)
            self.texts.append(lambda: f"ON {text}")

    def _using(self, join: exp.Join, name: exp.Expr) -> str:
        """An equality of the newest relation with the first before it that has the column."""
        scope = self.binder.scope
        *before, newest = scope.members.values()
        column = name.name.lower()
        sides = [member.columns[column] for member in before if column in member.columns][:1]
        if not sides or column not in newest.columns:
            raise self.queries.source.invalid(join, f"Column '{name.name}' not found in any table")
        left, right = sides[0], newest.columns[column]
        scope.shared.add(column)
        self._unite(left.user, right.user, outer=bool(join.args.get("side")))
        return compare(self.queries.source, join, "=", (left, right)).sql

    def _member(self, node: exp.Expr) -> tuple[str, Member]:
        name = self.queries.name()
        if isinstance(node, exp.Subquery):
            bound = self.queries.query(node, self.ctes, self.binder.scope.parent)
            alias = node.alias_or_name or f"${name}"
            return alias.lower(), member_of(self.queries.named(node, bound), name)
        if isinstance(node, exp.Values):
            bound = self.queries.named(node, self._values(node))
            return (node.alias or f"${name}").lower(), member_of(bound, name)
        if isinstance(node, exp.Unnest):
            return self._unnest(node, name)
        if isinstance(node, exp.Table):
            return self._table(node, name)
        raise self.queries.source.invalid(node, f"{type(node).__name__.upper()} is not supported")

    def _table(self, node: exp.Table, name: str) -> tuple[str, Member]:
        source, facts = self.queries.source, self.queries.facts
        if any(node.args.get(key) for key in ("sample", "pivots", "when", "only", "version")):
            raise source.invalid(node, "This table reference is not supported")
        if isinstance(node.this, exp.Anonymous):
            return self._extended(node, name)
        alias = (node.alias or node.name).lower()
        if not node.db and node.name.lower() in self.ctes:
            bound = self.queries.named(node, self.ctes[node.name.lower()])
            return alias, member_of(bound, name)
        known = all_tables().get(node.name.lower())
        if known is None or node.args.get("catalog"):
            raise source.invalid(node.this, f"Object '{node.name}' not found")
        return alias, self._scan(known, name, (facts.start, facts.end))

    def _extended(self, node: exp.Table, name: str) -> tuple[str, Member]:
        """EXTEND_TIME_WINDOW('table', 'P14D', 'P1D'), bare or within TABLE( )."""
        source, facts = self.queries.source, self.queries.facts
        call = node.this
        if call.name.upper() == "TABLE" and len(call.expressions) == 1:
            call = call.expressions[0]
        items = call.expressions if isinstance(call, exp.Anonymous) else []
        texts = [str(i.this) for i in items if isinstance(i, exp.Literal) and i.is_string]
        if call.name.upper() != _EXTEND or len(texts) != len(items) or len(texts) != _LENGTHS:
            text = f"No match found for function signature {call.name.upper()}"
            raise source.invalid(node.this, text)
        table = texts[0].rpartition(".")[2]
        known = all_tables().get(table.lower())
        if known is None:
            raise source.invalid(node.this, f"Object '{texts[0]}' not found")
        window = facts.start - length_of(texts[1]), facts.end + length_of(texts[2])
        return (node.alias or table).lower(), self._scan(known, name, window)

    def _scan(self, known: DataSource, name: str, window: tuple[datetime, datetime]) -> Member:
        """Without data while a query is only checked."""
        facts = self.queries.facts
        start, end = window
        checked = facts.values is None
        return scan(known, name, start, end, advertisers=facts.advertisers, empty=checked)

    def _values(self, node: exp.Values) -> BoundQuery:
        rows = [
            row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions
        ]
        source = self.queries.source
        if len({len(row) for row in rows}) != 1:
            raise source.invalid(
                node, "Values passed to VALUES operator must have compatible types"
            )
        outer = self.binder.scope
        self.binder.scope = Scope()
        bound = [[self.binder.bind(item) for item in row] for row in rows]
        self.binder.scope = outer
        columns = []
        for number, items in enumerate(zip(*bound, strict=True)):
            data_type = common_type(source, node, items)
            columns.append(OutColumn(f"EXPR${number}", Bound("", data_type, literal=True)))
        lines = ", ".join(f"({', '.join(item.sql for item in row)})" for row in bound)
        names = ", ".join(f"c{number}" for number in range(len(columns)))
        sql = f"SELECT * FROM (VALUES {lines}) v({names})"  # noqa: S608  bound before
        return BoundQuery(sql, tuple(columns))

    def _unnest(self, node: exp.Unnest, name: str) -> tuple[str, Member]:
        source = self.queries.source
        array = self.binder.bind(node.expressions[0])
        if len(node.expressions) != 1 or node.args.get("offset"):
            raise source.invalid(node, "UNNEST takes one array")
        if not fits("array", family(array.data_type)):
            raise source.invalid(node, "Cannot apply 'UNNEST' to this argument")
        alias = node.args.get("alias")
        names = [item.name for item in alias.columns] if isinstance(alias, exp.TableAlias) else []
        inner = replace(
            array, sql=f"{name}.c0", data_type=element_of(array.data_type), constant=False
        )
        sql = f"LATERAL (SELECT unnest({array.sql}) AS c0) {name}"
        column = names[0] if len(names) == 1 else (node.alias or "col").lower()
        return (node.alias or f"${name}").lower(), Member({column.lower(): inner}, (), lambda: sql)


def _names_users(node: exp.Expr) -> bool:
    """A column, or the first there is of several."""
    if isinstance(node, exp.Anonymous) and node.name.upper() == "COALESCE":
        return all(isinstance(item, exp.Column) for item in node.expressions)
    return isinstance(node, exp.Column)
