"""Functions OVER a window, and the users behind what they bring in from other rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from services.simulator.duck.bound import Bound, Mode, Slot
from services.simulator.duck.functions import Function, functions, signature
from services.simulator.duck.grouping import GATHERED, GATHERING
from services.simulator.duck.operators import check_literals, combined
from services.simulator.duck.slots import merged, union_of

if TYPE_CHECKING:
    from services.simulator.duck.expressions import Expressions

_RANKS = frozenset({"ROW_NUMBER", "RANK", "DENSE_RANK", "NTILE", "PERCENT_RANK", "CUME_DIST"})
_BOUNDS = frozenset({"UNBOUNDED", "CURRENT ROW"})


@dataclass(frozen=True, slots=True)
class WindowBinder:
    """Binds one call with OVER."""

    expressions: "Expressions"

    def bind(self, node: exp.Window) -> Bound:
        outer = self.expressions
        call = node.this
        nulls = ""
        if isinstance(call, (exp.IgnoreNulls, exp.RespectNulls)):
            nulls = " IGNORE NULLS" if isinstance(call, exp.IgnoreNulls) else ""
            call = call.this
        if not isinstance(call, exp.Anonymous):
            raise outer.source.invalid(node, "OVER must be applied to a function")
        function = functions().get(call.name.upper())
        if function is None or function.kind == "scalar":
            text = f"OVER must be applied to aggregate function, not {call.name.upper()}"
            raise outer.source.invalid(node, text)
        over, parts = self._over(node)
        if function.kind == "window":
            return self._ranked(call, function, (over, parts), nulls=nulls)
        return self._aggregate(call, function, over, parts)

    def _over(self, node: exp.Window) -> tuple[str, list[Bound]]:
        """The clause, and what it partitions by."""
        outer = self.expressions
        named = outer.named_windows.get(node.alias.lower()) if node.alias else None
        if node.alias and named is None:
            raise outer.source.invalid(node, f"Window '{node.alias}' not found")
        window = named or node
        parts = [self._place(item) for item in window.args.get("partition_by") or []]
        order = window.args.get("order")
        pieces = []
        if parts:
            pieces.append("PARTITION BY " + ", ".join(part.sql for part in parts))
        if order is not None:
            pieces.append("ORDER BY " + ", ".join(self._ordered(o) for o in order.expressions))
        if window.args.get("spec") is not None:
            pieces.append(self._frame(window.args["spec"]))
        return f" OVER ({' '.join(pieces)})", parts

    def _ordered(self, node: exp.Expr) -> str:
        if not isinstance(node, exp.Ordered):
            return self._place(node).sql
        word = " DESC" if node.args.get("desc") else ""
        nulls = " NULLS FIRST" if node.args.get("nulls_first") else " NULLS LAST"
        return self._place(node.this).sql + word + nulls

    def _place(self, node: exp.Expr) -> Bound:
        """What rows are told apart or ordered by, next to which a literal must not be put."""
        bound = self.expressions.bind(node)
        check_literals(self.expressions.source, node, [bound])
        return bound

    def _frame(self, spec: exp.Expr) -> str:
        kind = str(spec.args.get("kind")).upper()
        sides = [self._side(spec, side) for side in ("start", "end") if spec.args.get(side)]
        if kind not in {"ROWS", "RANGE"} or spec.args.get("exclude"):
            raise self.expressions.source.invalid(spec, "This window frame is not supported")
        return f"{kind} BETWEEN {sides[0]} AND {sides[1] if len(sides) > 1 else 'CURRENT ROW'}"

    def _side(self, spec: exp.Expr, side: str) -> str:
        value, towards = spec.args[side], str(spec.args.get(f"{side}_side") or "").upper()
        text = value if isinstance(value, str) else value.name
        if text.upper() == "CURRENT ROW":
            return "CURRENT ROW"
        if (text.upper() in _BOUNDS or text.isdigit()) and towards in {"PRECEDING", "FOLLOWING"}:
            return f"{text} {towards}"
        raise self.expressions.source.invalid(spec, "This window frame is not supported")

    def _ranked(
        self,
        call: exp.Anonymous,
        function: Function,
        window: tuple[str, list[Bound]],
        *,
        nulls: str,
    ) -> Bound:
        outer, (over, parts) = self.expressions, window
        arguments = [outer.bind(item) for item in call.expressions]
        types = [argument.data_type for argument in arguments]
        if not function.takes(types):
            text = f"No match found for function signature {signature(function.name, types)}"
            raise outer.source.invalid(call, text)
        texts = [argument.sql for argument in arguments]
        sql = f"{function.name.lower()}({', '.join(texts)}{nulls}){over}"
        if function.name in _RANKS:
            # Numbers over rows that the query made up itself are as good as literals.
            return Bound(sql, function.result, literal=not outer.scope.row_slots())
        bound = combined(sql, types[0], arguments)
        # The value comes from another row: that row's users stand behind it as well.
        others = [] if self._one_user(parts) else self._slots()
        moved = frozenset(
            _moved(slot, self._call_on(slot, function, texts, nulls) + over)
            for slot in [*others, *bound.own]
        )
        return combined_with(bound, moved)

    def _call_on(self, slot: Slot, function: Function, texts: list[str], nulls: str) -> str:
        """The same call on a slot, so that it is taken from the row that the value is; a default
        is nobody's."""
        whose = f"CASE WHEN {texts[0]} IS NOT NULL THEN {slot.sql} END" if nulls else slot.sql
        return f"{function.name.lower()}({', '.join([whose, *texts[1:2]])}{nulls})"

    def _aggregate(
        self, call: exp.Anonymous, function: Function, over: str, parts: list[Bound]
    ) -> Bound:
        outer = self.expressions
        if function.name in GATHERING and not self._one_user(parts):
            raise outer.source.invalid(call, GATHERED)
        if outer.grouping.grouped:
            arguments = [outer.bind(item) for item in call.expressions if not _is_star(item)]
        else:
            arguments = [outer.within(item) for item in call.expressions if not _is_star(item)]
        types = [argument.data_type for argument in arguments]
        star = any(_is_star(item) for item in call.expressions) and function.name == "COUNT"
        if not star and not function.takes(types):
            text = f"No match found for function signature {signature(function.name, types)}"
            raise outer.source.invalid(call, text)
        texts = ["*"] if star else [argument.sql for argument in arguments]
        data_type = function.result_type(types) if types else "LONG"
        sql = function.write(texts, "") + over
        sql = f"CAST({sql} AS BIGINT)" if data_type == "LONG" else sql
        bound = combined(sql, data_type, arguments)
        role = (
            "DIMENSION" if function.name in {"MIN", "MAX"} and bound.role != "METRIC" else "METRIC"
        )
        behind = frozenset() if self._one_user(parts) else self._behind(call, bound, over)
        level = 0 if function.name == "COUNT" else bound.level
        return Bound(
            sql, data_type, level, role, own=bound.own | behind,
            literal=bound.literal or not outer.scope.row_slots(),
            aggregate=bound.aggregate,
        )  # fmt: skip

    def _behind(self, call: exp.Anonymous, bound: Bound, over: str) -> frozenset[Slot]:
        slots = [*self._slots(), *bound.own]
        if any(slot.mode is not Mode.SET for slot in slots):
            raise self.expressions.source.invalid(
                call,
                "The users behind a windowed aggregate cannot be shown here:"
                " aggregate first, or partition by user_id",
            )
        return frozenset(
            Slot(union_of(f"list({slot.sql}){over}"), Mode.SET, slot.source) for slot in slots
        )

    def _slots(self) -> list[Slot]:
        """The slots of the rows that the window runs over, as sets where they are grouped."""
        grouping = self.expressions.grouping
        if not grouping.grouped:
            return grouping.scope.row_slots()
        users = grouping.user_slots()
        return [
            Slot(f"min({slot.sql})", Mode.ONE, slot.source)
            if grouping.keeps(slot, users)
            else Slot(merged(slot), Mode.SET, slot.source)
            for slot in grouping.scope.row_slots()
        ]

    def _one_user(self, parts: Iterable[Bound]) -> bool:
        """Every row of a partition is the same user's."""
        grouping = self.expressions.grouping
        users = {slot for part in parts if (slot := grouping.scope.settled(part)) is not None}
        return all(grouping.keeps(slot, users) for slot in grouping.scope.row_slots())


def _is_star(node: exp.Expr) -> bool:
    return isinstance(node, exp.Star)


def _moved(slot: Slot, text: str) -> Slot:
    if slot.mode is Mode.ONE:
        return Slot(f"CASE WHEN {text} IS NOT NULL THEN [{text}] END", Mode.SET, slot.source)
    return Slot(text, slot.mode, slot.source)


def combined_with(bound: Bound, more: frozenset[Slot]) -> Bound:
    return Bound(
        bound.sql, bound.data_type, bound.level, bound.role, literal=bound.literal,
        own=bound.own | more, aggregate=bound.aggregate,
    )  # fmt: skip
