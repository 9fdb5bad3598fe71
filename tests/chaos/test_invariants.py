"""Every invariant can fail: a round with one thing wrong, and the sentence that names it."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest

from tests.chaos.books import (
    Accepted,
    Arrival,
    Asked,
    Books,
    CancelAsked,
    DeadLetterRow,
    Event,
    KeyRow,
    Leftover,
    LimitSet,
    PartRow,
    Searched,
    SentCall,
    Shown,
    SlotSample,
    Span,
)
from tests.chaos.example_round import (
    ACCOUNT,
    CSV,
    INSTANCE,
    PAGES,
    STORED,
    good,
    life,
    made,
    row,
)
from tests.chaos.invariants import INVARIANTS, judge
from tests.chaos.invariants.results import is_same
from tests.chaos.passes import PASSES, SWEEP
from tests.chaos.sweep import uncovered


def violated(books: Books) -> list[str]:
    return [verdict.invariant for verdict in judge(books) if verdict.violations]


Spoil = Callable[[Books], object]


def change_row(execution: str, **changes: object) -> Spoil:
    def spoil(books: Books) -> None:
        rows = books.database.rows
        rows[:] = [replace(r, **changes) if r.execution == execution else r for r in rows]

    return spoil


def change_made(execution: str, **changes: object) -> Spoil:
    def spoil(books: Books) -> None:
        found = books.simulator.executions
        wanted = f"amc-{execution}"
        found[:] = [replace(e, **changes) if e.amc_execution_id == wanted else e for e in found]

    return spoil


def both(*spoils: Spoil) -> Spoil:
    def spoil(books: Books) -> None:
        for each in spoils:
            each(books)

    return spoil


def no_admission_for(seconds: float) -> Spoil:
    """`ex_b` goes on that much later than it could."""

    def spoil(books: Books) -> None:
        events = books.database.events
        late = [e for e in events if e.execution == "ex_b" and e.from_state is not None]
        for event in late:
            events.remove(event)
            moved = replace(event, at=event.at + seconds, seq=event.seq + int(1000 * seconds))
            events.append(moved)

    return spoil


def drop_event(execution: str, to_state: str) -> Spoil:
    def spoil(books: Books) -> None:
        events = books.database.events
        events[:] = [e for e in events if (e.execution, e.to_state) != (execution, to_state)]

    return spoil


def unowned(**more: object) -> Spoil:
    def spoil(books: Books) -> None:
        books.simulator.executions.append(made("stray", "CANCELLED", **more))

    return spoil


def a_stray_that_runs(books: Books) -> None:
    books.circumstances.strays_made = 2
    books.simulator.executions.append(made("stray", "RUNNING", finished_at=None))


def two_in_one_slot(books: Books) -> None:
    """`ex_b` is admitted while `ex_a` still runs."""
    events = books.database.events
    admission = next(e for e in events if e.execution == "ex_b" and e.to_state == "submitting")
    events.remove(admission)
    events.append(replace(admission, seq=2500, at=2.5))


def append(book: Callable[[Books], list], item: object) -> Spoil:
    return lambda books: book(books).append(item)


ONE_VIOLATION: dict[str, list[Spoil]] = {
    "accepted_is_kept": [
        append(lambda b: b.client.accepted, Accepted("ex_c", "rest", "k2", 0, INSTANCE)),
    ],
    "certain_is_kept": [
        append(lambda b: b.client.asked, Asked("queue", "k2", 3, is_certain=True)),
    ],
    "all_or_none": [append(lambda b: b.database.keys, KeyRow("k9", ("ex_a", "ex_gone")))],
    "accepted_once": [
        append(lambda b: b.client.accepted, Accepted("ex_b", "bulk", "k1", 0, INSTANCE)),
    ],
    "nothing_unasked": [
        both(
            append(lambda b: b.database.rows, row("ex_x", "cancelled", amc_execution_id=None)),
            lambda b: b.database.events.extend(life("ex_x", "queued", "cancelled", begin=8)),
        ),
    ],
    "ends_once": [
        both(drop_event("ex_f", "failed"), change_row("ex_f", state="pending")),
    ],
    "legal_path": [drop_event("ex_a", "running")],
    "silent_after_the_end": [
        append(lambda b: b.database.events, Event(9000, "ex_a", 9.0, "postponed", None, None)),
    ],
    "shown_is_true": [
        append(lambda b: b.client.shown, Shown("ex_a", "running", 7.0)),
        append(lambda b: b.client.shown, Shown("ex_b", "completed", 7.0)),
    ],
    "stated_reason": [
        both(
            change_row("ex_f", error_code="handler_failed"),
            change_made("ex_f", status="SUCCEEDED"),
        ),
    ],
    "created_once": [unowned()],
    "bound_once": [
        both(
            change_row("ex_b", amc_execution_id="amc-ex_a"),
            lambda b: b.simulator.executions.pop(1),
        ),
    ],
    "completed_was_made": [change_made("ex_a", status="FAILED")],
    "strays_stopped": [a_stray_that_runs],
    "cancelled_has_stopped": [change_made("ex_b", status="RUNNING")],
    "cancel_is_honoured": [
        append(lambda b: b.client.cancels, CancelAsked("ex_a", 3.0, 202, "cancelled")),
    ],
    "nothing_sent_after_cancel": [change_row("ex_b", cancel_requested_at=5.0)],
    "stored_is_whole": [
        lambda b: b.database.stored.clear(),
        lambda b: b.database.stored.append(
            replace(b.database.stored.pop(), rows=(STORED[1], STORED[0]))
        ),
        lambda b: b.database.stored.append(
            replace(b.database.stored.pop(), rows=(("anna", "13", STORED[0][2]), STORED[1]))
        ),
    ],
    "api_is_whole": [
        lambda b: b.client.results.append(replace(b.client.results.pop(), pages=PAGES[:1])),
        lambda b: b.client.results.append(
            replace(b.client.results.pop(), csv=CSV.replace(b"anna", b"Anna"))
        ),
    ],
    "parts_are_whole": [
        lambda b: b.database.parts.clear(),
        lambda b: b.database.parts.append(replace(b.database.parts.pop(), sha256="abd")),
    ],
    "counts_agree": [change_row("ex_a", row_count=3)],
    "nothing_half": [append(lambda b: b.database.parts, PartRow("ex_b", 1, "abc", 90, 2))],
    "slots_sampled": [append(lambda b: b.database.samples, SlotSample(2.0, INSTANCE, 2, 1))],
    "slots_by_history": [two_in_one_slot],
    "slots_at_amc": [change_made("ex_b", created_at=3.0)],
    "slots_peak": [lambda b: b.simulator.peak_active.update({ACCOUNT: 3})],
    "never_idle": [no_admission_for(9.0)],
    "pace_in_any_second": [
        append(lambda b: b.simulator.arrivals, Arrival(INSTANCE, "GET", "/x", 200, 0.9, None)),
    ],
    "none_refused": [
        append(lambda b: b.simulator.arrivals, Arrival(INSTANCE, "GET", "/x", 429, 9.0, None)),
    ],
    "at_rest_in_time": [lambda b: setattr(b.circumstances, "rest_seconds", 61.0)],
    "nothing_left": [
        append(lambda b: b.database.leftovers, Leftover("outbox", "17")),
        change_row("ex_a", lease_until=99.0),
    ],
    "parked_with_reason": [
        append(lambda b: b.database.dead_letters, DeadLetterRow("poller", "m2", "x.v1", "unknown")),
    ],
    "no_secret": [
        append(lambda b: b.circumstances.searched, Searched("a dump", ("Atzr|...",), True)),
    ],
    "search_works": [append(lambda b: b.circumstances.searched, Searched("a dump", (), False))],
}
CASES = [(name, spoil) for name, spoils in ONE_VIOLATION.items() for spoil in spoils]


def test_a_good_round_violates_nothing() -> None:
    verdicts = judge(good())

    assert [verdict for verdict in verdicts if verdict.violations] == []
    assert [verdict.invariant for verdict in verdicts if verdict.checks == 0] == []


def test_every_invariant_has_a_round_that_violates_it() -> None:
    assert sorted(ONE_VIOLATION) == sorted(invariant.name for invariant in INVARIANTS)


@pytest.mark.parametrize(("name", "spoil"), CASES, ids=[name for name, _ in CASES])
def test_one_violation_is_named_and_no_other(name: str, spoil: Spoil) -> None:
    books = deepcopy(good())
    spoil(books)

    assert violated(books) == [name]


def test_an_execution_that_ends_twice_is_seen() -> None:
    books = good()
    books.database.events += life("ex_a", "downloading", "completed", begin=9)[1:]

    assert "ends_once" in violated(books)


def test_a_limit_is_the_one_of_its_moment() -> None:
    """Raised to 2 at first and lowered to 1 before `ex_b` came: that is one too many."""
    books = good()
    two_in_one_slot(books)
    for scope in (INSTANCE, ACCOUNT):
        books.client.limits += [LimitSet(scope, 2, 0.0, 0.0), LimitSet(scope, 1, 2.0, 2.2)]

    assert violated(books) == ["slots_by_history"]


def test_while_a_limit_is_being_changed_either_may_hold() -> None:
    books = good()
    two_in_one_slot(books)
    for scope in (INSTANCE, ACCOUNT):
        books.client.limits += [LimitSet(scope, 2, 0.0, 0.0), LimitSet(scope, 1, 2.0, 9.0)]

    assert violated(books) == []


def test_idleness_is_excused_only_as_long_as_nobody_could_admit() -> None:
    books = good()
    no_admission_for(9.0)(books)
    (began,) = [e.at for e in books.database.events if e.to_state == "downloading"]

    books.circumstances.excused_idleness = [Span(began + 1, began + 6)]
    assert violated(books) == []

    books.circumstances.excused_idleness = [Span(began + 1, began + 2)]
    assert violated(books) == ["never_idle"]


def test_calls_that_the_network_let_go_together_are_excused() -> None:
    books = good()
    books.simulator.arrivals.append(Arrival(INSTANCE, "GET", "/x", 429, 0.9, None))
    books.circumstances.blurred_arrivals = [Span(0.4, 0.8, "the network stood still")]

    assert violated(books) == []


def test_too_many_calls_are_told_with_when_they_were_sent_and_when_they_arrived() -> None:
    books = good()
    books.database.rates[INSTANCE] = 2
    books.simulator.arrivals[:] = [
        Arrival(INSTANCE, "GET", "/x", 200, at, None) for at in (7.9, 7.91, 7.92)
    ]
    books.database.calls = [SentCall(INSTANCE, "poller", "list", at) for at in (1.0, 7.0, 7.4, 7.9)]

    (verdict,) = [each for each in judge(books) if each.violations]

    assert verdict.violations[0].endswith(
        "arrived at +0.000, +0.010, +0.020;"
        " sent at -0.900 poller list, -0.500 poller list, +0.000 poller list"
    )


def test_the_sweep_kills_at_every_stop_point_of_the_code() -> None:
    assert uncovered([PASSES[name] for name in SWEEP]) == set()


def test_two_calls_exactly_a_second_apart_are_in_two_seconds() -> None:
    books = good()
    books.database.rates[INSTANCE] = 1
    books.simulator.arrivals[:] = [
        Arrival(INSTANCE, "GET", "/x", 200, at, None) for at in (7.0, 8.0, 9.0)
    ]

    assert violated(books) == []


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "same"),
    [
        ("bigint", 12, "12", True),
        ("bigint", "12", "120", False),
        ("numeric", "0.10", "0.1", True),
        ("numeric", "NaN", "NaN", True),
        ("numeric", "1", "one", False),
        ("double precision", "1e+20", "100000000000000000000", True),
        ("timestamp", "2026-01-01 10:00:00.5", "2026-01-01T10:00:00.500Z", True),
        ("timestamp", "2026-01-01 10:00:10", "2026-01-01T10:00:1", False),
        ("boolean", "t", "true", True),
        ("boolean", "t", "false", False),
        ("text", "12", "12.0", False),
        ("text", None, "", True),
        ("text", "", "anna", False),
        ("text", None, "anna", False),
    ],
)
def test_a_value_is_the_same_if_it_says_the_same(
    kind: str, ours: object, theirs: str, same: bool
) -> None:
    assert is_same(kind, ours, theirs) is same
