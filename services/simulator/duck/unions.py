"""UNION ALL of two bound queries.

A row comes from one side only, so the users of one side are NULL in the other's rows. Single
users are paired, in order, because a later grouping counts them together; sets stay apart, path
by path, as AMC counts them.
"""

from dataclasses import dataclass, field, replace

from sqlglot import exp

from services.simulator.duck.bound import Bound, BoundQuery, Mode, OutColumn, Slot
from services.simulator.duck.operators import check_literals, combined
from services.simulator.duck.types import duck_type, family, fits, wider
from services.simulator.sql.source import Source

_NULLS = {Mode.ONE: "CAST(NULL AS INTEGER)", Mode.SET: "CAST(NULL AS INTEGER[])"}
_NO_COUNT = "CAST(NULL AS BIGINT)"


@dataclass(slots=True)
class _Row:
    """The hidden columns of both sides."""

    prefix: str
    slots: list[Slot] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)

    def add(self, slot: Slot, left: int | None, right: int | None) -> None:
        nothing = _NULLS.get(slot.mode, _NO_COUNT)
        self.slots.append(slot)
        self.left.append(nothing if left is None else f"{self.prefix}{left}")
        self.right.append(nothing if right is None else f"{self.prefix}{right}")


def united(source: Source, node: exp.Union, left: BoundQuery, right: BoundQuery) -> BoundQuery:
    """CompileError if the widths or the types differ."""
    if len(left.columns) != len(right.columns):
        raise source.invalid(node.expression, "Column count mismatch in UNION")
    rows, places = _paired(left, right)
    own = _Row("m")
    for number, slot in enumerate(left.own_slots):
        own.add(slot, number, None)
    for number, slot in enumerate(right.own_slots):
        own.add(slot, None, number)
    columns = []
    for number, pair in enumerate(zip(left.columns, right.columns, strict=True), start=1):
        columns.append(_column((source, node), number, pair, (places, len(left.own_slots))))
    texts = [
        _side(query, [column.bound for column in columns], row)
        for query, row in ((left, rows.left + own.left), (right, rows.right + own.right))
    ]
    hidden = [f"s{n}" for n in range(len(rows.slots))] + [f"m{n}" for n in range(len(own.slots))]
    names = ", ".join([*(f"c{n}" for n in range(len(columns))), *hidden])
    sql = f"SELECT * FROM ({texts[0]} UNION ALL {texts[1]}) q({names})"  # noqa: S608  bound before
    has = left.has_aggregate or right.has_aggregate
    return BoundQuery(sql, tuple(columns), tuple(rows.slots), tuple(own.slots), has)


def _paired(left: BoundQuery, right: BoundQuery) -> tuple[_Row, dict[tuple[int, int], int]]:
    """The row slots, and where a pair of them went."""
    rows, places = _Row("s"), {}
    singles = [
        [n for n, slot in enumerate(query.slots) if slot.mode is Mode.ONE]
        for query in (left, right)
    ]
    for one, other in zip(*singles, strict=False):
        places[one, other] = len(rows.slots)
        rows.add(left.slots[one], one, other)
    taken = [{pair[side] for pair in places} for side in (0, 1)]
    for number, slot in enumerate(left.slots):
        if number not in taken[0]:
            rows.add(slot, number, None)
    for number, slot in enumerate(right.slots):
        if number not in taken[1]:
            rows.add(slot, None, number)
    return rows, places


def _column(
    at: tuple[Source, exp.Union],
    number: int,
    pair: tuple[OutColumn, OutColumn],
    where: tuple[dict[tuple[int, int], int], int],
) -> OutColumn:
    (source, node), (one, other) = at, pair
    places, offset = where
    types = [one.bound.data_type, other.bound.data_type]
    if not fits(family(types[0]), family(types[1])):
        text = f"Type mismatch in column {number} of UNION"
        raise source.invalid(node.expression, text)
    check_literals(source, node.expression, [one.bound, other.bound])
    bound: Bound = combined("", wider(types), [one.bound, other.bound])
    role = one.bound.role
    user = None
    if one.user is not None and other.user is not None:
        user = places.get((one.user, other.user))
    own = one.own + tuple(n + offset for n in other.own)
    return OutColumn(one.name, replace(bound, role=role, constant=False), user, own)


def _side(query: BoundQuery, columns: list[Bound], hidden: list[str]) -> str:
    visible = [
        f"CAST(c{n} AS {duck_type(column.data_type)})"
        if column.data_type in {"STRING", "DATE", "TIMESTAMP", "LONG", "DOUBLE"}
        else f"c{n}"
        for n, column in enumerate(columns)
    ]
    return f"SELECT {', '.join(visible + hidden)} FROM ({query.sql}) u"  # noqa: S608  bound before
