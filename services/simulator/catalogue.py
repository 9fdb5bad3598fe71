"""The documented tables of AMC with their columns, read once from the package's own file.

Facts from Amazon's data source guide. Segment and video tables list the columns they share with
dsp_impressions; a table without columns is one whose columns are not recorded here: its name is
known and nothing about its columns is checked.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypedDict


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table or of a result."""

    name: str
    data_type: str
    column_type: str
    threshold: str = "NONE"


@dataclass(frozen=True, slots=True)
class DataSource:
    """One table; `columns` is empty where they are not recorded."""

    name: str
    columns: dict[str, Column]


class _Entry(TypedDict):
    names: list[str]
    columns: list[tuple[str, str, str, str]]


class _File(TypedDict):
    data_sources: list[_Entry]


@cache
def data_sources() -> dict[str, DataSource]:
    """Every table by its lower-case name, in the order of the names."""
    text = files("services.simulator").joinpath("columns.json").read_text("utf-8")
    stored: _File = json.loads(text)
    found = [
        DataSource(name, {row[0]: Column(*row) for row in entry["columns"]})
        for entry in stored["data_sources"]
        for name in entry["names"]
    ]
    return {source.name: source for source in sorted(found, key=lambda source: source.name)}
