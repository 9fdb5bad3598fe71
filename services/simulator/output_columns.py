"""Compares the output columns that a caller wrote down with those of the compiled query."""

from collections.abc import Sequence

from services.simulator.bodies import OutputColumn
from services.simulator.catalogue import Column


def first_difference(
    wanted: Sequence[OutputColumn] | None, compiled: Sequence[Column]
) -> str | None:
    """What does not match, in words; None if all does or nothing was written down."""
    if wanted is None or not wanted:
        return None
    if len(wanted) != len(compiled):
        return f"outputColumns has {len(wanted)} columns, the query has {len(compiled)}."
    for number, (want, have) in enumerate(zip(wanted, compiled, strict=True), start=1):
        for member, expected, found in _members(want, have):
            if expected is not None and expected != found:
                return f"outputColumns, column {number}: {member} is {found}, not {expected}."
    return None


def _members(want: OutputColumn, have: Column) -> tuple[tuple[str, str | None, str], ...]:
    """The members that are compared, the caller's beside the compiled one's."""
    kind = have.data_type.partition("(")[0].partition("<")[0]
    return (
        ("name", want.name, have.name),
        ("columnType", want.column_type, have.column_type),
        ("dataType", want.data_type, kind),
    )
