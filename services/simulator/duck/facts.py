"""What a query is bound against: the window, the clock, the parameters and their values."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.simulator.duck.types import duck_type, element_of, family
from services.simulator.sql.source import CompileError

_LENGTH = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?)?")
_EXAMPLE = datetime(2026, 1, 1)  # noqa: DTZ001  UTC throughout, as the data file has it


@dataclass(frozen=True, slots=True)
class Facts:
    """One execution's surroundings; times are UTC without a zone. The defaults serve to check a
    query before anybody runs it."""

    start: datetime = _EXAMPLE
    end: datetime = _EXAMPLE + timedelta(days=1)
    now: datetime = _EXAMPLE
    types: Mapping[str, str] = field(default_factory=dict)
    """Of the declared parameters."""
    values: Mapping[str, object] | None = None
    """None while a query is only checked."""
    controls: bool = True
    """False where a sandbox may see event rows."""
    advertisers: frozenset[str] | None = None
    """Ids of those whose rows are seen; None is everybody."""

    def parameter(self, name: str) -> tuple[str, str]:
        """SQL and data type; an undeclared one has been refused before, or will be."""
        data_type = self.types.get(name, "STRING")
        value = self.values.get(name) if self.values is not None else None
        return value_sql(value, data_type, name), data_type


def moment_sql(moment: datetime) -> str:
    return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S}'"


def text_sql(text: str) -> str:
    """A string literal; NUL has no place in one."""
    return "'" + text.replace("\x00", "").replace("'", "''") + "'"


def value_sql(value: object, data_type: str, name: str) -> str:
    """A parameter's value as a literal of its type; CompileError if it does not fit."""
    duck = duck_type(data_type)
    if value is None:
        return f"CAST(NULL AS {duck})"
    if family(data_type) == "array":
        items = value if isinstance(value, list) else [value]
        inner = element_of(data_type)
        return f"CAST([{', '.join(value_sql(v, inner, name) for v in items)}] AS {duck})"
    text = value if isinstance(value, str) else json.dumps(value)
    _check_value(text, data_type, name)
    return f"CAST({text_sql(text)} AS {duck})"


def _check_value(text: str, data_type: str, name: str) -> None:
    read = _READERS.get(data_type.partition("(")[0], str)
    try:
        read(text)
    except ValueError:
        raise CompileError(f"The value of parameter {name} is not a {data_type}.") from None


def _truth(text: str) -> bool:
    return ("false", "true").index(text.lower()) == 1


_READERS: Mapping[str, Callable[[str], object]] = {
    "LONG": int, "INTEGER": int, "DECIMAL": float, "DOUBLE": float, "BOOLEAN": _truth,
    "DATE": datetime.fromisoformat, "TIMESTAMP": datetime.fromisoformat,
}  # fmt: skip


def length_of(text: str) -> timedelta:
    """A length such as P14D or PT6H; CompileError for any other."""
    match = _LENGTH.fullmatch(text)
    if match is None or not any(match.groups()):
        raise CompileError(f"'{text}' is not an ISO 8601 duration.")
    days, hours, minutes = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)
