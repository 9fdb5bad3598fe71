"""Every execution ends, once, by a way that the table of states allows."""

from itertools import pairwise

from shared.domain.states import FINAL, TRANSITIONS, ExecutionState
from tests.chaos.books import Books, Event
from tests.chaos.invariants.findings import Findings, Invariant

_ENDED_BY_AMC = frozenset({"FAILED", "REJECTED", "CANCELLED"})


def _ends_once(books: Books, findings: Findings) -> None:
    for execution, row in books.rows.items():
        ends = [move.to_state for move in _moves(books, execution) if move.to_state in FINAL]
        findings.expect(
            row.state in FINAL and ends == [row.state],
            f"{execution} is {row.state} and became final {len(ends)} times {ends}",
        )


def _legal_path(books: Books, findings: Findings) -> None:
    for execution, row in books.rows.items():
        moves = _moves(books, execution)
        path = [move.to_state for move in moves]
        findings.expect(
            path[:1] == ["queued"] and path[-1] == row.state and _is_path(moves),
            f"{execution} is {row.state} by {' > '.join(map(str, path)) or 'no way'}",
        )


def _is_path(moves: list[Event]) -> bool:
    return moves[0].from_state is None and all(
        after.from_state == before.to_state
        and after.to_state in TRANSITIONS[ExecutionState(str(before.to_state))]
        for before, after in pairwise(moves)
    )


def _silent_after_the_end(books: Books, findings: Findings) -> None:
    for execution, events in books.history.items():
        kinds = [None if event.to_state in FINAL else event.kind for event in events]
        after = kinds[kinds.index(None) + 1 :] if None in kinds else []
        findings.expect(not after, f"{execution}: {after} after its end")


def _shown_is_true(books: Books, findings: Findings) -> None:
    seen: dict[str, str] = {}
    for shown in sorted(books.client.shown, key=lambda each: each.at):
        before = seen.get(shown.execution, "queued")
        findings.expect(
            shown.state in _reachable(before),
            f"{shown.execution} was shown {before} and then {shown.state}",
        )
        seen[shown.execution] = shown.state
    for execution, state in seen.items():
        row = books.rows.get(execution)
        findings.expect(
            row is None or row.state in _reachable(state),
            f"{execution} was shown {state} and is {row and row.state}",
        )


def _reachable(state: str) -> set[str]:
    found, ahead = set[str](), [ExecutionState(state)]
    while ahead:
        next_one = ahead.pop()
        if next_one not in found:
            found.add(next_one)
            ahead += TRANSITIONS[next_one]
    return found


def _stated_reason(books: Books, findings: Findings) -> None:
    remote, expected = books.remote, books.circumstances.expected_errors
    for execution, row in books.rows.items():
        if row.state == "failed":
            at_amc = remote.get(row.amc_execution_id or "")
            findings.expect(
                row.error_code in expected
                or (at_amc is not None and at_amc.status in _ENDED_BY_AMC),
                f"{execution} failed with {row.error_code} though AMC says"
                f" {at_amc and at_amc.status}",
            )


def _moves(books: Books, execution: str) -> list[Event]:
    return [event for event in books.history[execution] if event.to_state is not None]


INVARIANTS = (
    Invariant("ends_once", "Every execution reaches one final state, once.", _ends_once),
    Invariant("legal_path", "Its history is a way through the table of states.", _legal_path),
    Invariant(
        "silent_after_the_end",
        "Nothing is written to its history after its end.",
        _silent_after_the_end,
    ),
    Invariant(
        "shown_is_true",
        "What a client is shown never goes back, and a final state stays.",
        _shown_is_true,
    ),
    Invariant(
        "stated_reason",
        "An execution fails because AMC ended or refused it, or its own time was over.",
        _stated_reason,
    ),
)
