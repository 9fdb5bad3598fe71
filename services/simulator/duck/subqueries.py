"""IN and EXISTS: sub-queries as conditions, and the users behind what they found.

A row that is there because of rows of a sub-query rests on their users too. They are the row's
own user where user ids are compared; else the users of the matching rows are counted with it.
"""

from dataclasses import dataclass, replace

from sqlglot import exp

from services.simulator.duck.bound import NONE, Bound, BoundQuery, Mode, Slot
from services.simulator.duck.expressions import Expressions
from services.simulator.duck.operators import check_literals, compare, predicate
from services.simulator.duck.slots import merged
from services.simulator.duck.types import family, fits

_UNLIKE = "Values passed to IN operator must have compatible types"
_TOO_LATE = "The users behind this sub-query cannot be shown after grouping; use it in WHERE"
_ABSENT = (
    "A sub-query over user data can be excluded by user_id only: the users behind the rows that"
    " are left out cannot be shown"
)


def bind_in(self: Expressions, node: exp.Expr) -> Bound:
    inner = self.bind(node.this)
    query = node.args.get("query")
    if query is not None:
        return _in_query(self, node, inner, query)
    items = [self.bind(item) for item in node.expressions]
    if not items or node.args.get("unnest") or node.args.get("field"):
        raise self.source.invalid(node, "IN needs a list or a query")
    tests = [compare(self.source, node, "=", (inner, item)) for item in items]
    return predicate(f"({' OR '.join(test.sql for test in tests)})", tests)


def _in_query(self: Expressions, node: exp.Expr, inner: Bound, query: exp.Expr) -> Bound:
    bound = self.subquery(query, self.scope)
    if len(bound.columns) != 1:
        raise self.source.invalid(node, _UNLIKE)
    column = bound.columns[0]
    check_literals(self.source, node, [inner, column.bound])
    if not fits(family(inner.data_type), family(column.bound.data_type)):
        raise self.source.invalid(node, _UNLIKE)
    text = f"({inner.sql} IN (SELECT c0 FROM ({bound.sql}) q))"  # noqa: S608  bound before
    found = predicate(text, [inner, column.bound])
    same = column.user if inner.user is not None else None
    return _resting(self, node, found, _hidden(bound, same, f" WHERE q.c0 = {inner.sql}"))


def bind_exists(self: Expressions, node: exp.Expr) -> Bound:
    bound = self.subquery(node.this, self.scope)
    found = Bound(f"EXISTS (SELECT 1 FROM ({bound.sql}) q)", "BOOLEAN", NONE)  # noqa: S608  bound before
    return _resting(self, node, found, _hidden(bound, None, ""))


@dataclass(frozen=True, slots=True)
class _Hidden:
    """The slots of a sub-query that are not the row's own user."""

    sql: str
    slots: tuple[Slot, ...]
    where: str


def _hidden(bound: BoundQuery, same: int | None, where: str) -> _Hidden:
    slots = [
        Slot(f"q.s{n}", slot.mode, slot.source) for n, slot in enumerate(bound.slots) if n != same
    ]
    slots += [Slot(f"q.m{n}", slot.mode, slot.source) for n, slot in enumerate(bound.own_slots)]
    return _Hidden(bound.sql, tuple(slots), where)


def _resting(self: Expressions, node: exp.Expr, found: Bound, hidden: _Hidden) -> Bound:
    """The condition, resting on the users of the rows that were found: a relation beside the
    others has them."""
    if not hidden.slots:
        return found
    if node.find_ancestor(exp.Not) is not None:
        raise self.source.invalid(node, _ABSENT)
    if found.aggregate:
        raise self.source.invalid(node, _TOO_LATE)
    items = ", ".join(f"{merged(slot)} AS s{n}" for n, slot in enumerate(hidden.slots))
    name = self.beside(f"SELECT {items} FROM ({hidden.sql}) q{hidden.where}")  # noqa: S608  bound before
    users = (Slot(f"{name}.s{n}", Mode.SET, s.source) for n, s in enumerate(hidden.slots))
    return replace(found, own=found.own | frozenset(users))
