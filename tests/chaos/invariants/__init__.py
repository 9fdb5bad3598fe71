"""What must be true of every round, whatever was broken in it: `judge` looks at all of it."""

from tests.chaos.books import Books, Verdict
from tests.chaos.invariants import acceptance, creations, lives, pace, rest, results, slots

INVARIANTS = (
    *acceptance.INVARIANTS,
    *lives.INVARIANTS,
    *creations.INVARIANTS,
    *results.INVARIANTS,
    *slots.INVARIANTS,
    *pace.INVARIANTS,
    *rest.INVARIANTS,
)


def judge(books: Books) -> list[Verdict]:
    """Every invariant, in order, with how often it was looked at and where it does not hold."""
    return [invariant.judge(books) for invariant in INVARIANTS]
