"""Decides the types of a result's columns before it is loaded, and again when one did not hold."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from shared.db.results.identifiers import ColumnKey, column_names
from shared.db.results.order import DeclaredColumn
from shared.db.results.source import CsvFile
from shared.db.results.types import EMPTY, TEXT, declared_type, fit, grown, guess, is_id, wider

SAMPLE_ROWS: Final = 20_000
"""Rows that are looked at when some column's type has to be guessed."""
_CHECK_ROWS: Final = 100
"""Rows that are looked at when every type is known: most breaks show in the first ones."""
_SAMPLE_CELLS: Final = 400_000
GUESSES_END: Final = 3
"""After this many breaks all types that were only guessed become text."""
ALL_END: Final = 6
"""After this many breaks all columns become text."""


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """One column of the file: what it is called and which type is to be tried."""

    key: ColumnKey
    name: str
    data_type: str
    is_guessed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The columns of a result in the order of its header."""

    columns: tuple[PlannedColumn, ...]
    is_whole_sample: bool
    """Every row was looked at, so that an empty column is known to be empty."""
    broken: tuple[str, ...] = ()

    def after_break(self, name: str | None, value: str) -> "Plan":
        """The next plan to try; without a name any column may have been the one."""
        broken = (*self.broken, name or "")
        if name is None or len(broken) >= ALL_END:
            columns = tuple(replace(column, data_type=TEXT) for column in self.columns)
        else:
            guesses_end = len(broken) >= GUESSES_END
            columns = tuple(
                _regrown(column, value, guesses_end=guesses_end)
                if column.name == name
                else replace(column, data_type=TEXT)
                if guesses_end and column.is_guessed
                else column
                for column in self.columns
            )
        return replace(self, columns=columns, broken=broken)


def make_plan(
    files: Sequence[CsvFile],
    declared: Sequence[DeclaredColumn],
    remembered: Mapping[ColumnKey, str],
) -> Plan:
    """Declared or remembered, whichever is wider; else guessed from a sample."""
    keys = files[0].keys if files else _declared_keys(declared)
    known = _known_types(keys, declared, remembered)
    rows_wanted = SAMPLE_ROWS if len(known) < len(keys) else _CHECK_ROWS
    rows_wanted = max(min(rows_wanted, _SAMPLE_CELLS // max(len(keys), 1)), 1)
    is_whole = all(file.part.is_whole for file in files)
    sample = list(islice(_rows_in_order(keys, files), rows_wanted + 1))
    values = zip(*sample, strict=True) if sample else ((),) * len(keys)
    columns = tuple(
        PlannedColumn(
            key,
            name,
            _type_from(known.get(key), filter(None, said)),
            is_guessed=key not in known,
        )
        for key, name, said in zip(
            keys, column_names([key.source_name for key in keys]), values, strict=True
        )
    )
    return Plan(columns, is_whole_sample=is_whole and len(sample) <= rows_wanted)


def are_known(
    files: Sequence[CsvFile],
    declared: Sequence[DeclaredColumn],
    remembered: Mapping[ColumnKey, str],
) -> bool:
    """Whether no column's type has to be guessed."""
    keys = files[0].keys if files else ()
    return len(_known_types(keys, declared, remembered)) == len(keys)


def _known_types(
    keys: Sequence[ColumnKey],
    declared: Sequence[DeclaredColumn],
    remembered: Mapping[ColumnKey, str],
) -> dict[ColumnKey, str]:
    by_name = {column.name: declared_type(column.name, column.data_type) for column in declared}
    known = {}
    for key in keys:
        said = by_name.get(key.source_name.strip()) or (TEXT if is_id(key.source_name) else EMPTY)
        kind = wider(said, remembered.get(key, EMPTY))
        if kind != EMPTY:
            known[key] = kind
    return known


def _declared_keys(declared: Sequence[DeclaredColumn]) -> tuple[ColumnKey, ...]:
    return tuple(dict.fromkeys(ColumnKey(column.name, 1) for column in declared))


def _rows_in_order(keys: Sequence[ColumnKey], files: Sequence[CsvFile]) -> Iterator[Sequence[str]]:
    """The values as the keys stand, whatever their order in the file."""
    for file in files:
        places = None if file.keys == keys else [file.keys.index(key) for key in keys]
        for row in file.rows():
            if len(row) == len(keys):
                yield row if places is None else [row[place] for place in places]


def _type_from(known: str | None, said: Iterable[str]) -> str:
    if known is not None:
        return fit(known, said)
    kind = EMPTY
    for value in said:
        kind = wider(kind, guess(value))
        if kind == TEXT:
            break
    return kind


def _regrown(column: PlannedColumn, value: str, *, guesses_end: bool) -> PlannedColumn:
    kind = TEXT if guesses_end else grown(column.data_type, value)
    return replace(column, data_type=kind)
