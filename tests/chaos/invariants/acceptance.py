"""Accepted once, and only once."""

from tests.chaos.books import Books
from tests.chaos.invariants.findings import Findings, Invariant


def _told_exists(books: Books, findings: Findings) -> None:
    rows = books.rows
    for told in books.client.accepted:
        findings.expect(
            told.execution in rows, f"{told.execution} was accepted by {told.door} and has no row"
        )


def _certain_exists(books: Books, findings: Findings) -> None:
    known = _by_key(books)
    for asked in books.client.asked:
        if asked.is_certain:
            found = len(known.get(asked.key, set()) & books.rows.keys())
            findings.expect(
                found == asked.items,
                f"{asked.door} request {asked.key} was certain of {asked.items}, has {found}",
            )


def _whole_or_nothing(books: Books, findings: Findings) -> None:
    items = {asked.key: asked.items for asked in books.client.asked}
    for row in books.database.keys:
        found = sum(execution in books.rows for execution in row.executions)
        wanted = items.get(row.key, len(row.executions))
        findings.expect(found == wanted, f"request {row.key} of {wanted} made {found} executions")


def _once_for_a_key(books: Books, findings: Findings) -> None:
    first: dict[tuple[str, int], str] = {}
    for told in books.client.accepted:
        earlier = first.setdefault((told.key, told.index), told.execution)
        findings.expect(
            earlier == told.execution,
            f"item {told.index} of {told.key} was answered {earlier} and {told.execution}",
        )


def _nothing_unasked(books: Books, findings: Findings) -> None:
    asked = {told.execution for told in books.client.accepted}.union(*_by_key(books).values())
    for execution in books.rows:
        findings.expect(execution in asked, f"{execution} is a row that no request explains")


def _by_key(books: Books) -> dict[str, set[str]]:
    """Executions of each key the client used, from the answers and from the stored ones."""
    known: dict[str, set[str]] = {asked.key: set() for asked in books.client.asked}
    for told in books.client.accepted:
        known.setdefault(told.key, set()).add(told.execution)
    for row in books.database.keys:
        if row.key in known:
            known[row.key].update(row.executions)
    return known


INVARIANTS = (
    Invariant(
        "accepted_is_kept", "Every execution the client was told of has a row.", _told_exists
    ),
    Invariant(
        "certain_is_kept",
        "Every request that was answered, or confirmed by the broker, has all its executions.",
        _certain_exists,
    ),
    Invariant(
        "all_or_none",
        "A request makes all of its executions, or none.",
        _whole_or_nothing,
    ),
    Invariant(
        "accepted_once",
        "A request that is sent again is answered with the same executions.",
        _once_for_a_key,
    ),
    Invariant("nothing_unasked", "Every row belongs to a request of the client.", _nothing_unasked),
)
