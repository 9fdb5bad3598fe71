"""Scans of AMC's tables: only the columns that are used, only the rows within the window."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from typing_extensions import override

from services.simulator.catalogue import DataSource
from services.simulator.duck.bound import LEVELS, Bound, Member, Mode, Slot
from services.simulator.duck.columns import Reading, joins_for, reading_of
from services.simulator.duck.facts import moment_sql
from services.simulator.duck.types import duck_type

Advertisers = frozenset[str] | None
"""Ids; None is all of them."""


@dataclass(slots=True)
class _Used(Mapping[str, Bound]):
    """The columns of one scan; whoever asks for one makes it part of the scan."""

    source: DataSource
    name: str
    user: str | None
    asked: dict[str, int] = field(default_factory=dict)

    @override
    def __getitem__(self, column: str) -> Bound:
        known = self.source.columns[column]
        number = self.asked.setdefault(column, len(self.asked))
        return Bound(
            f"{self.name}.c{number}",
            known.data_type,
            level=LEVELS.index(known.threshold),
            role=known.column_type,
            user=self.user if column == "user_id" else None,
        )

    @override
    def __contains__(self, column: object) -> bool:
        return column in self.source.columns

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self.source.columns)

    @override
    def __len__(self) -> int:
        return len(self.source.columns)


def scan(
    source: DataSource,
    name: str,
    start: datetime,
    end: datetime,
    *,
    advertisers: Advertisers = None,
    empty: bool = False,
) -> Member:
    """A table as a relation called `name`, its window half-open, of all advertisers or some.
    An `empty` one has the columns and needs no data."""
    reading = reading_of(source.name)
    slot = f"{name}.s0" if reading.uid else None
    used = _Used(source, name, slot)

    def nothing() -> str:
        types = [duck_type(source.columns[column].data_type) for column in used.asked]
        items = [f"CAST(NULL AS {kind}) AS c{number}" for number, kind in enumerate(types)]
        return f"(SELECT {', '.join([*items, 'CAST(NULL AS INTEGER) AS s0'])} WHERE FALSE) {name}"

    def text() -> str:
        expressions = [reading.expression(source.columns[column]) for column in used.asked]
        items = [f"{sql} AS c{number}" for number, sql in enumerate(expressions)]
        items.append(f"CAST({reading.uid or 'NULL'} AS INTEGER) AS s0")
        within = " AND ".join(_conditions(reading, start, end, advertisers))
        return (
            f"(SELECT {', '.join(items)} FROM {reading.source} f"  # noqa: S608  the catalogue's own text
            f" {joins_for(expressions)}{' WHERE ' * bool(within)}{within}) {name}"
        )

    slots = (Slot(slot, Mode.ONE, source.name),) if slot else ()
    return Member(used, slots, nothing if empty else text, is_table=True)


def _conditions(
    reading: Reading, start: datetime, end: datetime, advertisers: Advertisers
) -> Iterator[str]:
    if reading.time:
        yield f"{reading.time} >= {moment_sql(start)}"
        yield f"{reading.time} < {moment_sql(end)}"
    mine = reading.belongs_to(advertisers) if advertisers is not None else None
    if mine is not None:
        yield mine
