"""SQL that merges and counts the users behind rows.

`min(DISTINCT x, 101)` is a sketch that loses nothing below its cap: 100 users or fewer are counted
exactly, however often sets are merged.
"""

from collections.abc import Iterable

from services.simulator.duck.bound import CAP, Mode, Slot


def merged(slot: Slot, condition: str | None = None) -> str:
    """The set of users of a group's rows, or of those for which the condition holds."""
    if slot.mode is Mode.ONE:
        filtered = f" FILTER (WHERE {condition})" if condition else ""
        return f"min(DISTINCT {slot.sql}, {CAP}){filtered}"
    test = f"{slot.sql} IS NOT NULL" + (f" AND ({condition})" if condition else "")
    return union_of(f"list({slot.sql}) FILTER (WHERE {test})")


def union_of(lists: str) -> str:
    """The capped union of a list of sets."""
    return f"list_sort(list_distinct(flatten({lists})))[1:{CAP}]"


def counted(slot: Slot, condition: str | None = None) -> str:
    """The number of users of a group's rows; NULL if the group does not rest on this path."""
    if slot.mode is not Mode.ONE:
        return size_of(merged(slot, condition))
    test = f" AND ({condition})" if condition else ""
    return (
        f"CASE WHEN count(*) FILTER (WHERE {slot.sql} IS NOT NULL{test}) > 0 THEN"
        f" count(DISTINCT {slot.sql}) FILTER (WHERE {slot.sql} >= 0{test}) END"
    )


def size_of(users: str) -> str:
    """The number of users in a set, without -1, which sorts first; NULL for an empty one."""
    # A list of one, because an expression cannot name a value otherwise: as a sub-query for each of
    # ten slots it took the planner seconds, and DuckDB joins for every one.
    size = "CASE WHEN len(x) > 0 THEN len(x) - CAST(x[1] < 0 AS INTEGER) END"
    return f"list_transform([{users}], lambda x: {size})[1]"


def users_of(slot: Slot) -> str:
    """The number of users behind one row's slot."""
    match slot.mode:
        case Mode.COUNT:
            return slot.sql
        case Mode.ONE:
            return f"CASE WHEN {slot.sql} IS NOT NULL THEN CAST({slot.sql} >= 0 AS BIGINT) END"
        case Mode.SET:
            return (
                f"CASE WHEN len({slot.sql}) > 0 THEN"
                f" len({slot.sql}) - CAST({slot.sql}[1] < 0 AS INTEGER) END"
            )


def fewest(slots: Iterable[Slot]) -> str:
    """The number of users of a row: the smallest over its paths, NULL if it rests on none."""
    numbers = [users_of(slot) for slot in slots]
    return f"least({', '.join(numbers)})" if numbers else "NULL"
