"""The types a result column may have, and how they grow.

A column starts as AMC declares it, else as the workflow remembers it, else as a sample looks. It
only ever grows: a value that does not fit makes it the smallest type that holds both. Ids stay
text whatever AMC says, because nobody adds them up and browsers round them.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from math import isfinite
from typing import Final

EMPTY: Final = ""
"""A column that has had no value yet: stored as text, shown as null of the others' type."""
TEXT: Final = "text"

_GROWTH: Final[dict[str, tuple[str, ...]]] = {
    "bigint": ("numeric", TEXT),
    "double precision": ("numeric", TEXT),
    "numeric": (TEXT,),
    "date": ("timestamp", TEXT),
    "timestamp": (TEXT,),
    "boolean": (TEXT,),
    TEXT: (),
}

# AMC's words, as in its data source catalogue and in outputColumns.
_DECLARED: Final = {
    "LONG": "bigint",
    "INTEGER": "bigint",
    "SHORT": "bigint",
    "BYTE": "bigint",
    "DECIMAL": "numeric",
    "DOUBLE": "double precision",
    "FLOAT": "double precision",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "BOOLEAN": "boolean",
}

_MAX_ID_DIGITS: Final = 15
_DATE_CHARS: Final = 10
_MAX_BIGINT_CHARS: Final = 19
"""Fewer always fit."""
_MAX_NUMBER_CHARS: Final = 1000
_MAX_EXPONENT: Final = 1000
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE]([+-]?[0-9]{1,5}))?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?)( ?(?:Z|UTC))?"
)
_NOT_FINITE: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_GUESSED: Final = ("numeric", "date", "timestamp")
_ZONED: Final = re.compile(r"(?:Z|UTC)$")


def declared_type(name: str, data_type: str | None) -> str | None:
    """Ours for AMC's word; None if AMC says nothing about the column's type."""
    if is_id(name):
        return TEXT
    if data_type is None:
        return None
    return _DECLARED.get(data_type.upper().partition("(")[0].strip(), TEXT)


def is_id(name: str) -> bool:
    """Whether a column of this name holds ids."""
    plain = name.strip().lower()
    return plain.endswith("_id") or plain in {"id", "asin"}


def wider(one: str, other: str) -> str:
    """The smallest type that holds both."""
    if EMPTY in (one, other):
        return one or other
    holding_other = {other, *_GROWTH[other]}
    return next(kind for kind in (one, *_GROWTH[one]) if kind in holding_other)


def guess(value: str) -> str:
    """The type of one value that nobody declared; what only looks like a number is text."""
    if _INTEGER.fullmatch(value):
        digits = value.lstrip("-")
        return "bigint" if len(digits) <= _MAX_ID_DIGITS and value != "-0" else TEXT
    if value in {"true", "false"}:
        return "boolean"
    if value in _NOT_FINITE or _ZONED.search(value):
        return TEXT
    kind = next((kind for kind in _GUESSED if holds(kind, value)), TEXT)
    if kind == "numeric" and "e" in value.lower() and holds("double precision", value):
        return "double precision"
    return kind


def fit(kind: str, values: Iterable[str]) -> str:
    """The smallest type that holds `kind` and all values."""
    judge = _HOLDS.get(kind)
    for value in values:
        if judge is None:
            break
        if not judge(value):
            kind = grown(kind, value)
            judge = _HOLDS.get(kind)
    return kind


def grown(kind: str, value: str) -> str:
    """What a column of `kind` becomes when `value` has broken it."""
    if kind == EMPTY:
        return guess(value)
    return next((bigger for bigger in _GROWTH[kind] if holds(bigger, value)), TEXT)


def holds(kind: str, value: str) -> bool:
    """Whether Postgres reads the value as `kind` and loses nothing of what it says."""
    judge = _HOLDS.get(kind)
    return judge is None or judge(value)


def _is_integer(value: str) -> bool:
    if _INTEGER.fullmatch(value) is None:
        return False
    return len(value) < _MAX_BIGINT_CHARS or -(2**63) <= int(value[:40]) < 2**63


def _is_numeric(value: str) -> bool:
    return _is_number(value) or value in _NOT_FINITE


def _is_double(value: str) -> bool:
    return isfinite(float(value)) if _is_number(value) else value in _NOT_FINITE


def _is_date(value: str) -> bool:
    return _DATE.fullmatch(value) is not None and _is_moment(value)


def _is_timestamp(value: str) -> bool:
    parts = _TIMESTAMP.fullmatch(value)
    return _is_moment(parts[1]) if parts else _is_date(value)


def _is_truth(value: str) -> bool:
    return value.lower() in {"true", "false", "t", "f"}


def _is_number(value: str) -> bool:
    parts = _NUMBER.fullmatch(value) if len(value) <= _MAX_NUMBER_CHARS else None
    if parts is None:
        return False
    return parts[1] is None or abs(int(parts[1])) <= _MAX_EXPONENT


def _is_moment(value: str) -> bool:
    try:
        datetime.fromisoformat(value) if len(value) > _DATE_CHARS else date.fromisoformat(value)
    except ValueError:
        return False
    return True


_HOLDS: Final[dict[str, Callable[[str], bool]]] = {
    "bigint": _is_integer,
    "numeric": _is_numeric,
    "double precision": _is_double,
    "date": _is_date,
    "timestamp": _is_timestamp,
    "boolean": _is_truth,
}
"""A type without a judge holds everything."""
