"""No limit of executions at once is ever exceeded, and no slot is idle while work waits."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from shared.domain.states import HOLDING_A_SLOT
from tests.chaos.books import Books, Event, LimitSet, Span
from tests.chaos.invariants.findings import Findings, Invariant


@dataclass(frozen=True, slots=True)
class _Limits:
    """The limits of executions at once, as they were when."""

    books: Books

    def most(self, scope: str, at: float) -> int:
        """The highest that may have been in force."""
        return max(self._possible(scope, at))

    def least(self, scope: str, at: float) -> int:
        """The lowest that may have been in force."""
        return min(self._possible(scope, at))

    def ever(self, scope: str) -> int:
        return max(self._all(scope))

    def _all(self, scope: str) -> list[int]:
        known = [each.limit for each in self._changes(scope)]
        return [*known, self.books.database.limits[scope]]

    def _possible(self, scope: str, at: float) -> list[int]:
        begun = [each for each in self._changes(scope) if each.asked_at <= at]
        certain = [place for place, each in enumerate(begun) if each.answered_at <= at]
        if begun and certain:
            return [each.limit for each in begun[certain[-1] :]]
        return self._all(scope)

    def _changes(self, scope: str) -> list[LimitSet]:
        found = [each for each in self.books.client.limits if each.scope == scope]
        return sorted(found, key=lambda each: each.answered_at)


def _sampled(books: Books, findings: Findings) -> None:
    limits = _Limits(books)
    for sample in books.database.samples:
        # A limit lowered below what runs is no breach: nothing is admitted until it holds again.
        allowed = max(sample.limit, limits.ever(sample.scope))
        findings.expect(
            sample.used <= allowed,
            f"{sample.scope} had {sample.used} of {allowed} slots taken at {sample.at:.3f}",
        )


def _by_history(books: Books, findings: Findings) -> None:
    """Exact: whoever takes or frees a slot holds the account's gate, so entries are in order."""
    limits, used, instance_of = _Limits(books), Counter[str](), _instances(books)
    for event in _moves(books):
        change = _takes(event)
        for scope in _scopes(books, instance_of[event.execution]):
            used[scope] += change
            if change > 0:
                allowed = limits.most(scope, event.at)
                findings.expect(
                    used[scope] <= allowed,
                    f"{event.execution} took slot {used[scope]} of {allowed} on {scope}"
                    f" at {event.at:.3f}",
                )


def _at_amc(books: Books, findings: Findings) -> None:
    limits, owned = _Limits(books), {row.amc_execution_id for row in books.database.rows}
    changes: list[tuple[float, int, str]] = []
    for made in books.simulator.executions:
        if made.amc_execution_id in owned:
            end = float("inf") if made.finished_at is None else made.finished_at
            changes += [(end, -1, made.instance), (made.created_at, 1, made.instance)]
    active = Counter[str]()
    for at, change, instance in sorted(changes):
        for scope in _scopes(books, instance):
            active[scope] += change
            if change > 0:
                findings.expect(
                    active[scope] <= limits.ever(scope),
                    f"AMC had {active[scope]} of ours on {scope} at {at:.3f}",
                )


def _peaks(books: Books, findings: Findings) -> None:
    """What AMC counted itself; a stray that nobody could prevent counts there, too."""
    limits, strays = _Limits(books), books.circumstances.strays_made
    for scope, peak in books.simulator.peak_active.items():
        allowed = limits.ever(scope) + strays
        findings.expect(peak <= allowed, f"AMC's peak on {scope} is {peak} of {allowed}")


def _never_idle(books: Books, findings: Findings) -> None:
    bound = books.circumstances.idle_bound_seconds
    for instance in books.database.account_of:
        for span in _idle_spans(books, instance):
            for rest in _without(span, books.circumstances.excused_idleness):
                length = rest.end - rest.begin
                findings.expect(
                    length <= bound,
                    f"{instance} had a free slot and work waiting for {length:.1f} s"
                    f" from {rest.begin:.3f}",
                )


def _idle_spans(books: Books, instance: str) -> Iterator[Span]:
    """Whenever work was queued here while instance and account had a free slot."""
    limits, instance_of = _Limits(books), _instances(books)
    account = books.database.account_of[instance]
    used, queued, since = Counter[str](), 0, None
    moves = [
        event
        for event in _moves(books)
        if books.database.account_of[instance_of[event.execution]] == account
    ]
    moves.sort(key=lambda event: event.at)
    for event in moves:
        home = instance_of[event.execution]
        for scope in _scopes(books, home):
            used[scope] += _takes(event)
        if home == instance:
            queued += (event.to_state == "queued") - (event.from_state == "queued")
        is_idle = queued > 0 and all(
            used[scope] < limits.least(scope, event.at) for scope in (instance, account)
        )
        if is_idle and since is None:
            since = event.at
        elif not is_idle and since is not None:
            yield Span(since, event.at)
            since = None
    if since is not None:
        yield Span(since, float("inf"))


def _without(span: Span, excused: list[Span]) -> Iterator[Span]:
    """What is left of a span outside those that are excused."""
    edges = [(span.begin, span.begin)]
    edges += sorted(
        (each.begin, each.end)
        for each in excused
        if each.begin < span.end and each.end > span.begin
    )
    edges.append((span.end, span.end))
    reached = span.begin
    for (_, end), (begin, _) in pairwise(edges):
        reached = max(reached, end)
        if begin > reached:
            yield Span(reached, begin)


def _takes(event: Event) -> int:
    return (event.to_state in HOLDING_A_SLOT) - (event.from_state in HOLDING_A_SLOT)


def _moves(books: Books) -> list[Event]:
    found = [event for event in books.database.events if event.to_state is not None]
    return sorted(found, key=lambda event: event.seq)


def _instances(books: Books) -> dict[str, str]:
    return {row.execution: row.instance for row in books.database.rows}


def _scopes(books: Books, instance: str) -> tuple[str, str]:
    return instance, books.database.account_of[instance]


INVARIANTS = (
    Invariant("slots_sampled", "No snapshot of the database shows a limit exceeded.", _sampled),
    Invariant(
        "slots_by_history",
        "No admission in any history took a slot beyond the limit of that moment.",
        _by_history,
    ),
    Invariant("slots_at_amc", "AMC never had more of ours at once than the limit.", _at_amc),
    Invariant("slots_peak", "AMC's own count of what is active never passed the limit.", _peaks),
    Invariant(
        "never_idle",
        "No slot is free for longer than the bound while work waits for it.",
        _never_idle,
    ),
)
