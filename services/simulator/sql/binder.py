"""Looks up every table and column of a query and finds the columns of its result.

Refuses, with the place, what it can prove wrong: an unknown table, column or alias, an ambiguous
column, a star over a data source, set operations of different widths.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from services.simulator.catalogue import Column, data_sources
from services.simulator.sql.scope import Relation, Scope
from services.simulator.sql.source import Source
from services.simulator.sql.types import column_of

Columns = tuple[Column, ...]
_QUERIES = (exp.Select, exp.SetOperation, exp.Subquery)


@dataclass(slots=True)
class Binder:
    """One pass over one query."""

    source: Source
    parameters: Mapping[str, str]

    def columns(self, tree: exp.Expr) -> Columns | None:
        """The result's columns; None where a star over something unknown hides them."""
        return self._query(tree, {}, None)

    def _query(
        self, node: exp.Expr, outer: Mapping[str, Relation], parent: Scope | None
    ) -> Columns | None:
        ctes = {**outer, **self._ctes(node, outer, parent)}
        if isinstance(node, exp.Subquery):
            return self._query(node.this, ctes, parent)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, ctes, parent)
        if isinstance(node, exp.Select):
            return self._select(node, ctes, parent)
        return None

    def _ctes(
        self, node: exp.Expr, outer: Mapping[str, Relation], parent: Scope | None
    ) -> dict[str, Relation]:
        found: dict[str, Relation] = {}
        with_ = node.args.get("with_")
        for cte in with_.expressions if with_ else []:
            columns = self._query(cte.this, {**outer, **found}, parent)
            found[cte.alias.lower()] = self._named(cte, columns)
        return found

    def _named(self, node: exp.Expr, columns: Columns | None) -> Relation:
        """A relation under its alias, with the alias's own column names if it has some."""
        alias = node.args.get("alias")
        names = [name.name for name in alias.columns] if isinstance(alias, exp.TableAlias) else []
        if names and columns is not None:
            if len(names) != len(columns):
                raise self.source.invalid(
                    node, "Number of columns must match number of query columns"
                )
            columns = tuple(
                Column(name, column.data_type, column.column_type)
                for name, column in zip(names, columns, strict=True)
            )
        known = {c.name.lower(): c for c in columns} if columns is not None else None
        return Relation(node.alias_or_name, known)

    def _set_operation(
        self, node: exp.SetOperation, ctes: Mapping[str, Relation], parent: Scope | None
    ) -> Columns | None:
        left = self._query(node.this, ctes, parent)
        right = self._query(node.expression, ctes, parent)
        if left is not None and right is not None and len(left) != len(right):
            word = type(node).__name__.upper()
            raise self.source.invalid(node.expression, f"Column count mismatch in {word}")
        return left

    def _select(
        self, node: exp.Select, ctes: Mapping[str, Relation], parent: Scope | None
    ) -> Columns | None:
        scope = Scope(self.parameters, parent=parent)
        scope.aliases = frozenset(item.alias.lower() for item in node.selects if item.alias)
        from_ = node.args.get("from_")
        joins = node.args.get("joins") or []
        laterals = node.args.get("laterals") or []
        for item in ([from_.this] if from_ else []) + [j.this for j in joins] + laterals:
            relation = self._relation(item, ctes, scope)
            scope.relations[relation.name.lower()] = relation
        self._check_names(node, ctes, scope)
        return self._select_list(node, scope)

    def _relation(self, node: exp.Expr, ctes: Mapping[str, Relation], scope: Scope) -> Relation:
        if isinstance(node, exp.Values):
            return self._named(node, self._values(node))
        if isinstance(node, exp.Subquery):
            return self._named(node, self._query(node, ctes, scope.parent))
        if isinstance(node, exp.Table):
            found = self._table(node, ctes)
            return Relation(node.alias or found.name, found.columns, found.is_data_source)
        return Relation(node.alias_or_name or "", None)

    def _values(self, node: exp.Values) -> Columns | None:
        first = next(iter(node.expressions), None)
        if first is None:
            return None
        items = first.expressions if isinstance(first, exp.Tuple) else [first]
        empty = Scope(self.parameters)
        return tuple(column_of(f"EXPR${i}", item, empty) for i, item in enumerate(items))

    def _table(self, node: exp.Table, ctes: Mapping[str, Relation]) -> Relation:
        if isinstance(node.this, exp.Func):
            literal = node.this.find(exp.Literal)
            name = literal.name if literal is not None else ""
        else:
            name = node.name
        if not node.db and name.lower() in ctes:
            return ctes[name.lower()]
        known = data_sources().get(name.lower())
        if known is None:
            raise self.source.invalid(node.this, f"Object '{name}' not found")
        return Relation(name, known.columns or None, is_data_source=True)

    def _check_names(self, node: exp.Select, ctes: Mapping[str, Relation], scope: Scope) -> None:
        for item in _own_nodes(node):
            if isinstance(item, _QUERIES):
                self._query(item, ctes, scope)
            elif isinstance(item, exp.Column) and not isinstance(item.this, exp.Star):
                self._check_column(item, scope)

    def _check_column(self, column: exp.Column, scope: Scope) -> None:
        if column.table:
            self._check_qualified(column, scope)
            return
        found = scope.find(column.name)
        if len(found) > 1 and not _in_using(column):
            raise self.source.invalid(column, f"Column '{column.name}' is ambiguous")
        is_alias = column.name.lower() in scope.aliases and _may_use_alias(column)
        if not found and not is_alias and not scope.is_open:
            raise self.source.invalid(column, f"Column '{column.name}' not found in any table")

    def _check_qualified(self, column: exp.Column, scope: Scope) -> None:
        relation = scope.relation(column.table)
        if relation is None:
            if not scope.find(column.table) and not scope.is_open:
                raise self.source.invalid(column, f"Table '{column.table}' not found")
        elif relation.columns is not None and column.name.lower() not in relation.columns:
            raise self.source.invalid(
                column, f"Column '{column.name}' not found in table '{column.table}'"
            )

    def _select_list(self, node: exp.Select, scope: Scope) -> Columns | None:
        found: list[Column] = []
        for number, item in enumerate(node.selects):
            if item.is_star and not isinstance(item, exp.Count):
                expanded = self._star(item, scope)
                if expanded is None:
                    return None
                found += expanded
            else:
                found.append(column_of(item.alias_or_name or f"EXPR${number}", item, scope))
        return tuple(found)

    def _star(self, node: exp.Expr, scope: Scope) -> list[Column] | None:
        if isinstance(node, exp.Column):
            relation = scope.relation(node.table)
            relations = [relation] if relation else []
        else:
            relations = list(scope.relations.values())
        if any(relation.is_data_source for relation in relations):
            raise self.source.invalid(node, "SELECT * is not supported; name the columns")
        columns = [relation.columns for relation in relations]
        if any(known is None for known in columns):
            return None
        return [column for known in columns if known for column in known.values()]


def _own_nodes(select: exp.Select) -> Iterator[exp.Expr]:
    """The nodes of one SELECT; a query inside it is given once and not entered."""
    skipped = {"with_", "from_"}
    stack = [
        child
        for key, value in select.args.items()
        if key not in skipped
        for child in (value if isinstance(value, list) else [value])
        if isinstance(child, exp.Expr)
    ]
    while stack:
        node = stack.pop()
        if isinstance(node, exp.Join):
            stack += [part for part in (node.args.get("on"),) if isinstance(part, exp.Expr)]
            continue
        yield node
        if not isinstance(node, _QUERIES):
            stack += list(node.iter_expressions())


def _may_use_alias(column: exp.Column) -> bool:
    return column.find_ancestor(exp.Group, exp.Having, exp.Order, exp.Select).__class__ in {
        exp.Group,
        exp.Having,
        exp.Order,
    }


def _in_using(column: exp.Column) -> bool:
    """A column both sides share by USING or NATURAL is one column."""
    select = column.find_ancestor(exp.Select)
    joins = (select.args.get("joins") or []) if select else []
    return any(join.args.get("using") or join.args.get("method") == "NATURAL" for join in joins)
