"""Binds whole queries: CTEs, FROM, set operations, and the select list with its hidden slots."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from sqlglot import exp

from services.simulator.duck.bound import (
    Bound,
    BoundQuery,
    Mode,
    OutColumn,
    Scope,
    Slot,
    member_of,
)
from services.simulator.duck.expressions import Expressions
from services.simulator.duck.facts import Facts
from services.simulator.duck.forms import CALLS, FORMS
from services.simulator.duck.functions import functions
from services.simulator.duck.grouping import Grouping
from services.simulator.duck.operators import check_literals
from services.simulator.duck.relations import Relations
from services.simulator.duck.unions import Union
from services.simulator.sql.source import CompileError, Source

_MOST_SLOTS = 64
_PARTS = frozenset(
    {"expressions", "from_", "joins", "where", "group", "having", "windows", "distinct",
     "with_", "order", "kind", "laterals", "hint", "operation_modifiers"}
)  # fmt: skip
Ctes = Mapping[str, BoundQuery]


@dataclass(slots=True)
class Queries:
    """One pass over one query text."""

    source: Source
    facts: Facts
    common: list[str] = field(default_factory=list)
    """CTEs as written for DuckDB, each after those it uses."""
    _names: Iterator[int] = field(default_factory=count)

    def name(self) -> str:
        return f"r{next(self._names)}"

    def bind(self, node: exp.Expr, *, counted: bool) -> BoundQuery:
        """The outermost query; its CTEs are in `common`. Its users are `counted` row by row, or
        left as sets for rows that are still to be put together."""
        return self.query(node, {}, None, outermost=counted)

    def query(
        self, node: exp.Expr, outer: Ctes, parent: Scope | None, *, outermost: bool = False
    ) -> BoundQuery:
        ctes = {**outer, **self._ctes(node, outer)}
        if isinstance(node, exp.Subquery):
            return self.query(node.this, ctes, parent, outermost=outermost)
        if isinstance(node, exp.Union):
            return self._union(node, ctes, parent, outermost=outermost)
        if isinstance(node, exp.Select):
            return self._select(node, ctes, parent, outermost=outermost)
        raise self.source.invalid(node, f"{type(node).__name__.upper()} is not supported")

    def _ctes(self, node: exp.Expr, outer: Ctes) -> dict[str, BoundQuery]:
        found: dict[str, BoundQuery] = {}
        with_ = node.args.get("with_")
        if with_ is not None and with_.args.get("recursive"):
            raise self.source.invalid(with_, "WITH RECURSIVE is not supported")
        for cte in with_.expressions if with_ else []:
            bound = self.named(cte, self.query(cte.this, {**outer, **found}, None))
            name = f"w{next(self._names)}"
            self.common.append(f"{name} AS ({bound.sql})")
            found[cte.alias.lower()] = replace(bound, sql=f"SELECT * FROM {name}")  # noqa: S608  own name
        return found

    def named(self, node: exp.Expr, bound: BoundQuery) -> BoundQuery:
        """With the column names of an alias's own list, if it has one."""
        alias = node.args.get("alias")
        names = [name.name for name in alias.columns] if isinstance(alias, exp.TableAlias) else []
        if not names:
            return bound
        if len(names) != len(bound.columns):
            raise self.source.invalid(node, "Number of columns must match number of query columns")
        pairs = zip(names, bound.columns, strict=True)
        return replace(bound, columns=tuple(replace(column, name=name) for name, column in pairs))

    def _union(
        self, node: exp.Union, ctes: Ctes, parent: Scope | None, *, outermost: bool
    ) -> BoundQuery:
        keeps = node.args.get("distinct") is False
        if not keeps:
            left = self.query(node.this, ctes, parent)
            both = self._united(left, [node], ctes, parent)
            return self._distinct(node, both, outermost=outermost)
        # Text after text stands to the left of the last one: taken together, not one in the other.
        chain = [node]
        while _goes_on(chain[-1].this):
            chain.append(chain[-1].this)
        first = self.query(chain[-1].this, ctes, parent, outermost=outermost)
        return self._united(first, chain[::-1], ctes, parent, outermost=outermost)

    def _united(
        self,
        first: BoundQuery,
        chain: list[exp.Union],
        ctes: Ctes,
        parent: Scope | None,
        *,
        outermost: bool = False,
    ) -> BoundQuery:
        united = Union(self.source, first)
        for node in chain:
            if any(node.args.get(key) for key in ("by_name", "side", "on", "limit", "offset")):
                raise self.source.invalid(node, "This set operation is not supported")
            right = self.query(node.expression, ctes, parent, outermost=outermost)
            united.add(node.expression, right)
        return united.query()

    def _distinct(self, node: exp.Expr, bound: BoundQuery, *, outermost: bool) -> BoundQuery:
        """Equal rows as one, resting on the users of all of them."""
        name = self.name()
        scope = Scope(members={name: member_of(bound, name)})
        grouping = Grouping(scope, grouped=True, outermost=outermost)
        columns = [replace(c, sql=f"{name}.c{n}") for n, c in enumerate(_columns(scope, name))]
        for column in columns:
            check_literals(self.source, node, [column])
        grouping.keys = {column.sql: column for column in columns}
        named = [(c.name, b) for c, b in zip(bound.columns, columns, strict=True)]
        named = [(n, replace(b, own=grouping.contributors(b.own, None))) for n, b in named]
        tail = " GROUP BY " + ", ".join(grouping.keys)
        found = self._written(named, grouping, f" FROM {scope.members[name].text()}{tail}")
        return replace(found, has_aggregate=bound.has_aggregate)

    def _select(
        self, node: exp.Select, ctes: Ctes, parent: Scope | None, *, outermost: bool
    ) -> BoundQuery:
        self._check_parts(node)
        scope = Scope(parent=parent)
        grouped = bool(node.args.get("group") or node.args.get("having")) or _aggregates(node)
        distinct = node.args.get("distinct")
        sets = outermost and not distinct and node.find(exp.Window) is None
        grouping = Grouping(scope, grouped, sets)
        binder = Expressions(
            self.source, self.facts, scope,
            lambda inner, around: self.query(inner, ctes, around), grouping, FORMS, CALLS,
            self.name,
        )  # fmt: skip
        for window in node.args.get("windows") or []:
            binder.named_windows[window.name.lower()] = window
        grouping.grouped = False
        relations = Relations(self, binder, ctes)
        from_ = relations.bind(node)
        where = node.args.get("where")
        if where is not None:
            relations.unite_users(where.this)
        tail = f" WHERE {relations.condition(where.this, 'WHERE')}" if where is not None else ""
        self._bind_keys(node, binder)
        grouping.grouped = grouped
        items = [item for part in node.selects for item in self._item(part, binder)]
        tail += self._group_text(node, binder) if grouped else ""
        named = [(name or f"EXPR${n}", bound) for n, (name, bound) in enumerate(items)]
        if grouped:
            named = [(name, self._kept(bound, grouping)) for name, bound in named]
        beside = "".join(
            f" LEFT JOIN LATERAL ({sql}) {name} ON TRUE" for name, sql in binder.laterals.items()
        )
        # Last of all, for then it is known which columns were used.
        text = from_() if from_ else "(SELECT 1) q" if beside else ""
        text = f" FROM {text}{beside}" if text else ""
        found = self._written(named, grouping, text + tail)
        return self._distinct(node, found, outermost=outermost) if distinct else found

    def _kept(self, bound: Bound, grouping: Grouping) -> Bound:
        """A key's own users are those of all the rows of its group."""
        if bound.aggregate:
            fresh = frozenset(slot for slot in bound.own if not _is_plain(slot))
            plain = bound.own - fresh
            return replace(bound, own=fresh | grouping.contributors(plain, None))
        # The slots of the row have what stands behind its keys.
        others = bound.own - frozenset(grouping.scope.behind.values())
        return replace(bound, own=grouping.contributors(others, None) if others else frozenset())

    def _check_parts(self, node: exp.Select) -> None:
        for key, value in node.args.items():
            if value and key not in _PARTS:
                raise self.source.invalid(node, f"{key.strip('_').upper()} is not supported")
        distinct = node.args.get("distinct")
        if distinct is not None and distinct.args.get("on") is not None:
            raise self.source.invalid(node, "DISTINCT ON is not supported")

    def _item(self, node: exp.Expr, binder: Expressions) -> list[tuple[str, Bound]]:
        if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and node.is_star):
            return self._star(node, binder)
        inner = node.this if isinstance(node, exp.Alias) else node
        return [(node.alias_or_name, binder.bind(inner))]

    def _star(self, node: exp.Expr, binder: Expressions) -> list[tuple[str, Bound]]:
        members = binder.scope.members
        alias = node.table.lower() if isinstance(node, exp.Column) else ""
        wanted = [members[alias]] if alias in members else list(members.values())
        if any(member.is_table for member in wanted):
            raise self.source.invalid(node, "SELECT * is not supported; name the columns")
        found = [item for member in wanted for item in member.columns.items()]
        for name, bound in found:
            if binder.grouping.grouped and bound.sql not in binder.grouping.keys:
                raise self.source.invalid(node, f"Expression '{name}' is not being grouped")
        return found

    def _bind_keys(self, node: exp.Select, binder: Expressions) -> None:
        group = node.args.get("group")
        if group is None:
            return
        if any(
            group.args.get(kind) for kind in ("rollup", "cube", "grouping_sets", "all", "totals")
        ):
            raise self.source.invalid(group, "GROUPING SETS, ROLLUP and CUBE are not supported")
        for item in group.expressions:
            key = self._key(node, item, binder.scope)
            bound = binder.condition_free(key, "GROUP BY")
            check_literals(self.source, item, [bound])
            binder.grouping.key_nodes.add(key)
            if not bound.constant:
                binder.grouping.keys[bound.sql] = bound
                binder.scope.lean_on(bound)

    def _key(self, node: exp.Select, item: exp.Expr, scope: Scope) -> exp.Expr:
        """The expression behind an ordinal or an alias of the select list."""
        if isinstance(item, exp.Literal) and not item.is_string:
            place = int(str(item.this)) if str(item.this).isdigit() else 0
            if not 1 <= place <= len(node.selects):
                raise self.source.invalid(item, "Ordinal out of range")
            return _unaliased(node.selects[place - 1])
        is_name = isinstance(item, exp.Column) and not item.table
        if is_name and not any(item.name.lower() in m.columns for m in scope.members.values()):
            for part in node.selects:
                if part.alias.lower() == item.name.lower():
                    return _unaliased(part)
        return item

    def _group_text(self, node: exp.Select, binder: Expressions) -> str:
        keys = ", ".join(binder.grouping.keys)
        text = f" GROUP BY {keys}" if keys else ""
        having = node.args.get("having")
        if having is None:
            return text
        condition = binder.condition(_with_aliases(having.this, node, binder.scope), None)
        binder.grouping.kept += sorted(self._kept(condition, binder.grouping).own, key=_text_of)
        return f"{text} HAVING {condition.sql}"

    def _written(self, named: list[tuple[str, Bound]], grouping: Grouping, tail: str) -> BoundQuery:
        """The SELECT with its visible columns, its row slots and the slots of single columns."""
        row_slots = grouping.row_slots()
        own_slots: dict[str, Slot] = {}
        for _, bound in named:
            own_slots |= {slot.sql: slot for slot in sorted(bound.own, key=_text_of)}
        numbers = {sql: n for n, sql in enumerate(own_slots)}
        sets = [s for s in (*row_slots, *own_slots.values()) if s.mode is not Mode.COUNT]
        if len(sets) > _MOST_SLOTS:
            raise CompileError("The users behind this query's rows take too many paths to count.")
        columns = []
        for name, bound in named:
            user = _user(bound, grouping, row_slots)
            own = tuple(sorted(numbers[slot.sql] for slot in bound.own))
            columns.append(OutColumn(name, replace(bound, own=frozenset()), user, own))
        texts = [f"{bound.sql} AS c{n}" for n, (_, bound) in enumerate(named)]
        texts += [f"{slot.sql} AS s{n}" for n, slot in enumerate(row_slots)]
        texts += [f"{sql} AS m{n}" for n, sql in enumerate(own_slots)]
        sql = f"SELECT {', '.join(texts)}{tail}"
        has = any(bound.aggregate for _, bound in named)
        return BoundQuery(sql, tuple(columns), tuple(row_slots), tuple(own_slots.values()), has)


def _goes_on(node: exp.Expr) -> bool:
    """It is another UNION ALL, without names of its own."""
    return (
        isinstance(node, exp.Union)
        and node.args.get("distinct") is False
        and not node.args.get("with_")
    )


def _user(bound: Bound, grouping: Grouping, slots: list[Slot]) -> int | None:
    """The number of the slot whose user id this is, if its rows are still one user's each."""
    wanted = grouping.scope.settled(bound)
    if wanted is None:
        return None
    for number, slot in enumerate(grouping.scope.row_slots()):
        if grouping.keeps(slot, {wanted}) and slots[number].mode is Mode.ONE:
            return number
    return None


def _text_of(slot: Slot) -> str:
    return slot.sql


def _columns(scope: Scope, name: str) -> list[Bound]:
    return list(scope.members[name].columns.values())


def _is_plain(slot: Slot) -> bool:
    """A hidden column of a relation as it stands, not yet merged for the group."""
    return slot.sql.replace(".", "").isalnum()


def _unaliased(node: exp.Expr) -> exp.Expr:
    found: exp.Expr = node.this if isinstance(node, exp.Alias) else node
    return found


def _with_aliases(node: exp.Expr, select: exp.Select, scope: Scope) -> exp.Expr:
    """HAVING may name what the select list computes."""
    known = {part.alias.lower(): part.this for part in select.selects if part.alias}

    def put(inner: exp.Expr) -> exp.Expr:
        is_name = isinstance(inner, exp.Column) and not inner.table
        hidden = is_name and any(inner.name.lower() in m.columns for m in scope.members.values())
        if is_name and not hidden and inner.name.lower() in known:
            return exp.Paren(this=known[inner.name.lower()].copy())
        return inner

    return node.transform(put)


def _aggregates(node: exp.Select) -> bool:
    """Some item calls an aggregate that is not OVER a window."""
    stack = [*node.selects]
    while stack:
        item = stack.pop()
        if isinstance(item, exp.Window):
            call = item.this
            stack += [part for part in call.expressions if isinstance(part, exp.Expr)]
            continue
        if isinstance(item, exp.Anonymous):
            found = functions().get(item.name.upper())
            if found is not None and found.kind == "aggregate":
                return True
        if not isinstance(item, exp.Query):
            stack += list(item.iter_expressions())
    return False
