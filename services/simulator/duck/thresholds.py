"""What of a result may be shown, by how many users stand behind each row.

REMOVE_ROWS drops a row below the need of its columns; REMOVE_VALUES nulls the values whose own
class asks for more, and adds up the rows that are alike then.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from services.simulator.catalogue import Column
from services.simulator.duck.bound import NEEDED_USERS, NONE, BoundQuery, Mode, OutColumn, Slot
from services.simulator.duck.slots import fewest, merged, users_of
from services.simulator.duck.types import NUMBER, family

_AS_TEXT = frozenset({"ANY", "ROW", "INTERVAL", "MAP", "BINARY"})
FLOOR = 2
"""Users behind every row that rests on users at all, also if no column asks for any."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """A workflow's wishes for what is filtered; a name asks for that column."""

    remove_values: bool = False
    discriminator: str | None = None
    user_count: str | None = None
    reason: str | None = None
    controls: bool = True

    @property
    def merges(self) -> bool:
        """Values are taken out, and what is alike then is put together."""
        return self.controls and (self.remove_values or self.discriminator is not None)


@dataclass(frozen=True, slots=True)
class Guarded:
    """A query whose rows may be shown; columns v0.. are texts."""

    sql: str
    columns: tuple[Column, ...]
    lines: str
    """The same rows in the same order, each as a line of CSV."""


def guard(bound: BoundQuery, common: list[str], privacy: Privacy) -> Guarded:
    """The query with its thresholds and its values as AMC writes them."""
    slots = [*bound.slots, *bound.own_slots]
    need = needed(bound)
    users = fewest(_all_slots(bound))
    counted = f"SELECT *, {users} AS du FROM base"  # noqa: S608  own names
    parts = [*common, f"base AS ({bound.sql})", f"counted AS ({counted})"]
    columns = [_shown(column) for column in bound.columns]
    if not privacy.controls or not slots:
        return _finished(parts, "counted", columns, ())
    extra = tuple(_extras(bound, privacy, need))
    if privacy.merges:
        parts.append(f"together AS ({_merged(bound, extra, need)})")
        parts.append(f"kept AS ({_enough(bound, extra)})")
    else:
        added = "".join(f", {sql} AS {name}" for name, sql, _ in extra)
        parts.append(
            f"kept AS (SELECT *{added} FROM counted WHERE du IS NULL OR du >= {need})"  # noqa: S608  own names
        )
    return _finished(parts, "kept", columns, extra)


def needed(bound: BoundQuery) -> int:
    """The users a row needs: the most that a column's class asks for."""
    most = max((NEEDED_USERS[min(c.bound.level, 3)] for c in bound.columns), default=1)
    return max(most, FLOOR)


def _named(slot: Slot, prefix: str, number: int) -> Slot:
    return Slot(f"{prefix}{number}", slot.mode, slot.source)


def _shown(column: OutColumn) -> Column:
    bound = column.bound
    data_type = "STRING" if bound.data_type in _AS_TEXT else bound.data_type
    return Column(column.name, data_type, bound.role)


_Extra = tuple[str, str, Column]
_FLAG, _USERS, _REASON = "x0", "x1", "x2"


def _extras(bound: BoundQuery, privacy: Privacy, need: int) -> Iterator[_Extra]:
    if privacy.discriminator is not None:
        flag = f"coalesce(du < {need}, FALSE)"
        yield _FLAG, flag, Column(privacy.discriminator, "BOOLEAN", "DIMENSION")
    if privacy.user_count is not None:
        yield _USERS, "du", Column(privacy.user_count, "LONG", "METRIC")
    if privacy.reason is not None:
        yield _REASON, _reason(bound, need), Column(privacy.reason, "STRING", "DIMENSION")


def _reason(bound: BoundQuery, need: int) -> str:
    """Names the path with the fewest users of a row below its need."""
    cases = " ".join(
        f"WHEN {users_of(slot)} = du THEN du || ' ''{slot.source}'' users < {need} required'"
        for slot in _all_slots(bound)
    )
    return f"CASE WHEN du < {need} THEN CASE {cases} END END"


def _merged(bound: BoundQuery, extra: tuple[_Extra, ...], need: int) -> str:
    """Values below their own need are NULL, and rows that are alike then are one."""
    visible, keys = [], [f"coalesce(du < {need}, FALSE)"]
    for number, column in enumerate(bound.columns):
        value = f"c{number}"
        if column.bound.level != NONE:
            # A NONE stays: nulling it where only unrecognised people stand would lose traffic.
            own_need = NEEDED_USERS[min(column.bound.level, 3)]
            value = f"CASE WHEN du < {own_need} THEN NULL ELSE c{number} END"
        if _adds_up(column):
            visible.append(f"sum({value}) AS c{number}")
        else:
            visible.append(f"{value} AS c{number}")
            keys.append(value)
    for name, sql, _ in extra:
        if name == _REASON:
            visible.append(f"arg_max({sql}, du) AS {name}")
        elif name != _USERS:
            visible.append(f"{sql} AS {name}")
            keys.append(sql)
    visible += [f"{merged(slot)} AS {slot.sql}" for slot in _all_slots(bound)]
    return f"SELECT {', '.join(visible)} FROM counted GROUP BY {', '.join(keys)}"  # noqa: S608  own names


def _enough(bound: BoundQuery, extra: tuple[_Extra, ...]) -> str:
    """What is put together rests on two users at least, and so does each of its sums."""
    rows = [_as_set(slot) for slot in _all_slots(bound)[: len(bound.slots)]]
    visible = []
    for number, column in enumerate(bound.columns):
        own = [Slot(f"m{n}", Mode.SET, "") for n in column.own]
        visible.append(
            f"CASE WHEN {fewest(own)} < {FLOOR} THEN NULL ELSE c{number} END AS c{number}"
            if own and _adds_up(column)
            else f"c{number}"
        )
    visible += [f"{fewest(rows)} AS {name}" if name == _USERS else name for name, _, _ in extra]
    few = f"{fewest(rows)} IS NULL OR {fewest(rows)} >= {FLOOR}"
    return f"SELECT {', '.join(visible)} FROM together WHERE {few}"  # noqa: S608  own names


def _adds_up(column: OutColumn) -> bool:
    return column.bound.role == "METRIC" and family(column.bound.data_type) == NUMBER


def _all_slots(bound: BoundQuery) -> list[Slot]:
    return [_named(slot, "s", n) for n, slot in enumerate(bound.slots)] + [
        _named(slot, "m", n) for n, slot in enumerate(bound.own_slots)
    ]


def _as_set(slot: Slot) -> Slot:
    return Slot(slot.sql, Mode.SET, slot.source)


def _finished(
    parts: list[str],
    relation: str,
    columns: list[Column],
    extra: tuple[_Extra, ...],
) -> Guarded:
    names = [f"c{number}" for number in range(len(columns))] + [name for name, _, _ in extra]
    shown = [*columns, *(column for _, _, column in extra)]
    texts = [
        f"{_text(name, column.data_type)} AS v{number}"
        for number, (name, column) in enumerate(zip(names, shown, strict=True))
    ]
    values = [f"v{number}" for number in range(len(shown))]
    parts = [*parts, f"shown AS (SELECT {', '.join(texts)} FROM {relation})"]  # noqa: S608  own names
    begin, end = f"WITH {', '.join(parts)} SELECT", f"FROM shown ORDER BY {', '.join(values)}"
    sql = f"{begin} {', '.join(values)} {end}"
    return Guarded(sql, tuple(shown), f"{begin} {line_of(values)} {end}")


def _text(name: str, data_type: str) -> str:
    match data_type:
        case "DATE":
            return f"strftime({name}, '%Y-%m-%d')"
        case "TIMESTAMP":
            return f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%g')"
        case _:
            return f"CAST({name} AS VARCHAR)"


def line_of(names: list[str]) -> str:
    """The SQL of one record with its line end: `csv_field` of each text, NULL as nothing."""
    fields = (
        f"CASE WHEN regexp_matches({name}, '[\",\\n\\r]')"
        f" THEN '\"' || replace({name}, '\"', '\"\"') || '\"' ELSE coalesce({name}, '') END"
        for name in names
    )
    return " || ',' || ".join(fields) + " || chr(10)"
