"""The parameters a workflow declares, in AMC's words, and the values an execution gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class ParameterType(StrEnum):
    """AMC's list of data types of an input parameter."""

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


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter; without a default every execution must give a value."""

    name: str
    data_type: ParameterType = ParameterType.STRING
    default_value: str | None = None
    description: str | None = None

    def as_json(self) -> dict[str, str]:
        """What is stored and hashed: members without a value are left out, as AMC does."""
        members = {
            "name": self.name,
            "data_type": self.data_type.value,
            "default_value": self.default_value,
            "description": self.description,
        }
        return {name: value for name, value in members.items() if value is not None}

    @classmethod
    def from_json(cls, members: Mapping[str, str]) -> "Parameter":
        """The inverse of `as_json`."""
        return cls(
            members["name"],
            ParameterType(members["data_type"]),
            members.get("default_value"),
            members.get("description"),
        )


def in_order(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Sorted by name: the order of declarations means nothing."""
    return tuple(sorted(parameters, key=lambda parameter: parameter.name))
