"""IN and EXISTS: sub-queries as conditions, and the users behind what they found.

A row that is there because of rows of a sub-query rests on their users too. They are the row's
own user where user ids are compared; else the users of the matching rows are counted with it.
"""

from sqlglot import exp

from services.simulator.duck.bound import LEVELS, NONE, Bound, BoundQuery, Mode, Slot
from services.simulator.duck.expressions import Expressions
from services.simulator.duck.operators import check_literals, compare, predicate
from services.simulator.duck.slots import merged
from services.simulator.duck.types import family, fits

_UNLIKE = "Values passed to IN operator must have compatible types"
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
    return _resting(self, node, found, _found(bound, same, f" WHERE q.c0 = {inner.sql}"))


def bind_exists(self: Expressions, node: exp.Expr) -> Bound:
    bound = self.subquery(node.this, self.scope)
    found = Bound(f"EXISTS (SELECT 1 FROM ({bound.sql}) q)", "BOOLEAN", NONE)  # noqa: S608  bound before
    return _resting(self, node, found, _found(bound, None, ""))


def _found(bound: BoundQuery, same: int | None, where: str) -> frozenset[Slot]:
    """The users of the sub-query's rows that were found, but for the slot that is the row's own
    user."""
    slots = [(f"q.s{n}", slot) for n, slot in enumerate(bound.slots) if n != same]
    slots += [(f"q.m{n}", slot) for n, slot in enumerate(bound.own_slots)]
    texts = [(merged(Slot(name, slot.mode, slot.source)), slot.source) for name, slot in slots]
    return frozenset(
        Slot(f"(SELECT {users} FROM ({bound.sql}) q{where})", Mode.SET, source)  # noqa: S608  bound before
        for users, source in texts
    )


def _resting(self: Expressions, node: exp.Expr, found: Bound, users: frozenset[Slot]) -> Bound:
    if users and node.find_ancestor(exp.Not) is not None:
        raise self.source.invalid(node, _ABSENT)
    return Bound(
        found.sql, "BOOLEAN", min(found.level, LEVELS.index("LOW")), literal=found.literal,
        constant=found.constant, own=found.own | users, aggregate=found.aggregate,
    )  # fmt: skip
