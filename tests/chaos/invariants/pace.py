"""AMC is never called more often than it allows."""

from collections import defaultdict, deque
from collections.abc import Sequence

from tests.chaos.books import Books
from tests.chaos.invariants.findings import Findings, Invariant

_SECOND = 1.0
_TOO_MANY = 429


def _in_any_second(books: Books, findings: Findings) -> None:
    """A second is half-open: two calls exactly 1 s apart are never in the same one."""
    arrivals = defaultdict[str, list[float]](list)
    for arrival in books.simulator.arrivals:
        arrivals[arrival.instance].append(arrival.at)
    for instance, times in arrivals.items():
        limit, window = books.database.rates[instance], deque[float]()
        for at in sorted(times):
            window.append(at)
            while window[0] <= at - _SECOND:
                window.popleft()
            findings.expect(
                len(window) <= limit or _is_blurred(books, window[0], at),
                f"{instance} was called {len(window)} times in the second up to {at:.3f}"
                f" (limit {limit}){_both_books(books, instance, window)}",
            )


def _both_books(books: Books, instance: str, window: Sequence[float]) -> str:
    """When they arrived, and when they were sent by our own book: what left at the right pace and
    arrived in a bunch was held up on its way, or its receiver was."""
    begin = window[0]
    sent = [
        f"{call.at - begin:+.3f} {call.caller} {call.call}"
        for call in sorted(books.database.calls, key=lambda call: call.at)
        if call.instance == instance and begin - 2 * _SECOND < call.at <= window[-1]
    ]
    arrived = ", ".join(f"{at - begin:+.3f}" for at in window)
    return f"; arrived at {arrived}; sent at {', '.join(sent) or 'times that were not written'}"


def _none_refused(books: Books, findings: Findings) -> None:
    for arrival in books.simulator.arrivals:
        findings.expect(
            arrival.status != _TOO_MANY
            or arrival.fault is not None
            or _is_blurred(books, arrival.at - _SECOND, arrival.at)
            or any(span.begin <= arrival.at <= span.end for span in books.circumstances.refusing),
            f"{arrival.instance} answered {arrival.method} {arrival.path} with 429"
            f" at {arrival.at:.3f}",
        )


def _is_blurred(books: Books, begin: float, end: float) -> bool:
    """Whether the times of arrival in between are not those of sending."""
    spans = books.circumstances.blurred_arrivals
    return any(span.begin < end and span.end > begin for span in spans)


INVARIANTS = (
    Invariant(
        "pace_in_any_second",
        "No second has more calls to an instance than its limit, by their arrival.",
        _in_any_second,
    ),
    Invariant("none_refused", "AMC answers none of our calls with 429 of itself.", _none_refused),
)
