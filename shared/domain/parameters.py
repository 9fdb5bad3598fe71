"""How declared parameters are stored and ordered, and AMC's list of their types."""

from collections.abc import Sequence
from enum import StrEnum

from shared.domain.claims import DeclaredParameter


class ParameterType(StrEnum):
    """AMC's data types of an input parameter."""

    BINARY = "BINARY"
    BOOLEAN = "BOOLEAN"
    BYTE = "BYTE"
    CALENDAR_INTERVAL = "CALENDAR_INTERVAL"
    DATE = "DATE"
    DECIMAL = "DECIMAL"
    DOUBLE = "DOUBLE"
    FLOAT = "FLOAT"
    INTEGER = "INTEGER"
    LONG = "LONG"
    SHORT = "SHORT"
    STRING = "STRING"
    TIMESTAMP = "TIMESTAMP"


def as_json(parameter: DeclaredParameter) -> dict[str, str]:
    """What is stored and hashed: members without a value are left out, as AMC does."""
    members = {
        "name": parameter.name,
        "data_type": parameter.data_type,
        "default_value": parameter.default_value,
        "description": parameter.description,
    }
    return {name: value for name, value in members.items() if value is not None}


def in_order(parameters: Sequence[DeclaredParameter]) -> tuple[DeclaredParameter, ...]:
    """Sorted by name: the order of declarations means nothing."""
    return tuple(sorted(parameters, key=lambda parameter: parameter.name))
