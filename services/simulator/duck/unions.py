"""UNION ALL of bound queries, as one flat operation however many there are.

A row comes from one side only, so the users of the others are NULL in it. Single users are paired,
in order, because a later grouping counts them together; sets stay apart, path by path, as AMC
counts them. Numbers are never put together again: those of one table share their columns. So the
text, and what DuckDB needs to plan it, grow with the number of sides and not faster.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from sqlglot import exp

from services.simulator.duck.bound import Bound, BoundQuery, Mode, OutColumn, Slot
from services.simulator.duck.operators import check_literals, combined
from services.simulator.duck.types import duck_type, family, fits, wider
from services.simulator.sql.source import Source

_NULLS = {Mode.ONE: "CAST(NULL AS INTEGER)", Mode.SET: "CAST(NULL AS INTEGER[])"}
_NO_COUNT = "CAST(NULL AS BIGINT)"


@dataclass(slots=True)
class _Hidden:
    """The hidden columns of all sides; a side has None where a column is only others'."""

    prefix: str
    slots: list[Slot] = field(default_factory=list)
    sides: list[list[int | None]] = field(default_factory=list)

    def add(self, slots: Sequence[Slot], shared: frozenset[Mode]) -> list[int]:
        """Takes a side in, its `shared` modes where others have theirs; the place of each."""
        places: list[int] = []
        for slot in slots:
            free = (n for n in range(len(self.slots)) if n not in places)
            place = next((n for n in free if _fit(self.slots[n], slot, shared)), len(self.slots))
            if place == len(self.slots):
                self.slots.append(slot)
            places.append(place)
        self.sides.append([None] * len(self.slots))
        for number, place in enumerate(places):
            self.sides[-1][place] = number
        return places

    def names(self) -> list[str]:
        return [f"{self.prefix}{n}" for n in range(len(self.slots))]

    def texts(self, side: int) -> list[str]:
        # A side that came early has nothing where later ones brought a column.
        pairs = zip_longest(self.slots, self.sides[side])
        return [
            _NULLS.get(slot.mode, _NO_COUNT) if number is None else f"{self.prefix}{number}"
            for slot, number in pairs
        ]


class Union:
    """The rows of one query and of those that are added to it."""

    def __init__(self, source: Source, first: BoundQuery) -> None:
        self._source = source
        self._queries = [first]
        self._columns = list(first.columns)
        self._rows, self._own = _Hidden("s"), _Hidden("m")
        self._rows.add(first.slots, frozenset())
        self._own.add(first.own_slots, frozenset())

    def add(self, node: exp.Expr, query: BoundQuery) -> None:
        """CompileError at `node`, its text, if the width or a type differs."""
        if len(self._columns) != len(query.columns):
            raise self._source.invalid(node, "Column count mismatch in UNION")
        rows = self._rows.add(query.slots, frozenset({Mode.ONE, Mode.COUNT}))
        own = self._own.add(query.own_slots, frozenset({Mode.COUNT}))
        for number, other in enumerate(query.columns):
            one = self._columns[number]
            bound = self._bound(node, number + 1, one.bound, other.bound)
            is_same = other.user is not None and rows[other.user] == one.user
            behind = tuple(sorted({*one.own, *(own[n] for n in other.own)}))
            user = one.user if is_same else None
            self._columns[number] = OutColumn(one.name, bound, user, behind)
        self._queries.append(query)

    def query(self) -> BoundQuery:
        """All of them as one."""
        types = [column.bound.data_type for column in self._columns]
        texts = [
            _side(query, types, self._rows.texts(side) + self._own.texts(side))
            for side, query in enumerate(self._queries)
        ]
        columns = [f"c{n}" for n in range(len(types))]
        names = ", ".join([*columns, *self._rows.names(), *self._own.names()])
        return BoundQuery(
            f"SELECT * FROM ({' UNION ALL '.join(texts)}) q({names})",  # noqa: S608  bound before
            tuple(self._columns),
            tuple(self._rows.slots),
            tuple(self._own.slots),
            any(query.has_aggregate for query in self._queries),
        )

    def _bound(self, node: exp.Expr, number: int, one: Bound, other: Bound) -> Bound:
        types = [one.data_type, other.data_type]
        if not fits(family(types[0]), family(types[1])):
            raise self._source.invalid(node, f"Type mismatch in column {number} of UNION")
        check_literals(self._source, node, [one, other])
        both: Bound = combined("", wider(types), [one, other])
        return replace(both, role=one.role, constant=False)


def _fit(one: Slot, other: Slot, shared: frozenset[Mode]) -> bool:
    """Both may stand in one column: single users, or numbers of one table's."""
    if one.mode is not other.mode or one.mode not in shared:
        return False
    return one.mode is Mode.ONE or one.source == other.source


def _side(query: BoundQuery, types: list[str], hidden: list[str]) -> str:
    visible = [
        f"CAST(c{n} AS {duck_type(data_type)})"
        if data_type in {"STRING", "DATE", "TIMESTAMP", "LONG", "DOUBLE"}
        else f"c{n}"
        for n, data_type in enumerate(types)
    ]
    return f"SELECT {', '.join(visible + hidden)} FROM ({query.sql}) u"  # noqa: S608  bound before
