"""Pages of a result."""

from pydantic import BaseModel

from shared.db.results.pages import JsonValue


class ColumnOut(BaseModel):
    """A column under its name in AMC's file, with the type it is stored as."""

    name: str
    type: str


class ResultsOut(BaseModel):
    """Some rows in file order, each an array in the order of `columns`."""

    columns: list[ColumnOut]
    items: list[list[JsonValue]]
    next_cursor: str | None
    has_more: bool
    row_count: int | None
