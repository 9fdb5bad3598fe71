"""When it is over, all is at rest, nothing is left, and no secret lies anywhere."""

from tests.chaos.books import Books, Verdict
from tests.chaos.invariants.findings import Findings, Invariant

_NO_REASON = frozenset({"", "unknown"})


def _at_rest_in_time(books: Books, findings: Findings) -> None:
    seconds = books.circumstances.rest_seconds
    bound = books.circumstances.rest_bound_seconds
    findings.expect(seconds <= bound, f"it took {seconds:.1f} s to rest, {bound:.0f} are allowed")


def _nothing_left(books: Books, findings: Findings) -> None:
    findings.checks += len(books.database.rows)
    for left in books.database.leftovers:
        findings.expect(False, f"{left.what} {left.which} is left")
    for row in books.database.rows:
        held = [
            name
            for name, value in (("lease", row.lease_until), ("intent", row.intent_at))
            if value is not None
        ]
        findings.expect(not held, f"{row.execution} is {row.state} and still has a {held}")


def _parked_with_reason(books: Books, findings: Findings) -> None:
    for letter in books.database.dead_letters:
        findings.expect(
            letter.reason.strip() not in _NO_REASON,
            f"{letter.message_type} {letter.message_id} of {letter.queue} was parked for no reason",
        )


def _no_secret(books: Books, findings: Findings) -> None:
    for searched in books.circumstances.searched:
        findings.expect(
            not searched.found, f"{searched.place} holds {len(searched.found)}: {searched.found}"
        )


def _search_works(books: Books, findings: Findings) -> None:
    for searched in books.circumstances.searched:
        findings.expect(
            searched.is_control_found, f"{searched.place}: what must be there was not found either"
        )


AT_REST = Invariant(
    "at_rest_in_time",
    "After the last fault all is at rest within the bound, with nobody's help.",
    _at_rest_in_time,
)


def never_at_rest(seconds: float) -> Verdict:
    """Of a round that still was not at rest after so long; its books cannot be compared."""
    violation = f"after {seconds:.0f} s it still was not at rest"
    return Verdict(AT_REST.name, AT_REST.sentence, checks=1, violations=(violation,))


INVARIANTS = (
    AT_REST,
    Invariant(
        "nothing_left",
        "No message, lease, intent, timer or spool file is left of what has ended.",
        _nothing_left,
    ),
    Invariant(
        "parked_with_reason", "Every parked message says why it is there.", _parked_with_reason
    ),
    Invariant(
        "no_secret", "No secret is in the database, a log or the broker's folder.", _no_secret
    ),
    Invariant(
        "search_works", "The search for secrets finds the word that is there.", _search_works
    ),
)
