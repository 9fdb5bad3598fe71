"""One request, one execution at AMC; what is cancelled has stopped."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.books import Attempt, Books, RemoteExecution
from tests.chaos.invariants.findings import Findings, Invariant

_ENDED = frozenset({"SUCCEEDED", "FAILED", "REJECTED", "CANCELLED"})
_OK = range(200, 300)


def _created_once(books: Books, findings: Findings) -> None:
    surplus = list(_unowned(books))
    findings.checks += len(books.simulator.executions)
    if len(surplus) > books.circumstances.strays_made:
        findings.violations += [
            f"AMC made {each.amc_execution_id} beside what is bound;"
            f" it carries the mark of {_owner_by_mark(books, each)}"
            for each in surplus
        ]


def _bound_once(books: Books, findings: Findings) -> None:
    owners = Counter(
        (row.instance, row.amc_execution_id)
        for row in books.database.rows
        if row.amc_execution_id is not None
    )
    for (instance, amc_execution_id), count in owners.items():
        at_amc = books.remote.get(amc_execution_id)
        findings.expect(
            count == 1 and at_amc is not None and at_amc.instance == instance,
            f"{amc_execution_id} on {instance} has {count} owners; AMC knows it: {at_amc}",
        )


def _completed_was_made(books: Books, findings: Findings) -> None:
    for execution, row in books.rows.items():
        if row.state == "completed":
            at_amc = books.remote.get(row.amc_execution_id or "")
            findings.expect(
                at_amc is not None and at_amc.status == "SUCCEEDED",
                f"{execution} is completed, at AMC it is {at_amc and at_amc.status}",
            )


def _strays_stopped(books: Books, findings: Findings) -> None:
    recognised = {each.amc_execution_id for each in books.database.strays if each.is_cancelled}
    for each in _unowned(books):
        is_over = each.status in _ENDED and each.amc_execution_id in recognised
        findings.expect(
            each.status == "CANCELLED" or is_over,
            f"stray {each.amc_execution_id} is {each.status}",
        )


def _cancelled_has_stopped(books: Books, findings: Findings) -> None:
    for execution, row in books.rows.items():
        if row.state == "cancelled" and row.amc_execution_id is not None:
            at_amc = books.remote.get(row.amc_execution_id)
            findings.expect(
                at_amc is not None and at_amc.status in _ENDED,
                f"{execution} is cancelled, at AMC it is {at_amc and at_amc.status}",
            )


def _cancel_is_honoured(books: Books, findings: Findings) -> None:
    expected = books.circumstances.expected_errors
    for cancel in books.client.cancels:
        row = books.rows.get(cancel.execution)
        if row is None or cancel.status_code not in _OK:
            continue
        at_amc = books.remote.get(row.amc_execution_id or "")
        is_truth = at_amc is not None and at_amc.status in _ENDED - {"CANCELLED"}
        is_over = row.state == "failed" and (is_truth or row.error_code in expected)
        findings.expect(
            row.state == "cancelled" or (cancel.shown != "cancelled" and (is_truth or is_over)),
            f"{cancel.execution}: the cancel was answered {cancel.shown}, it is {row.state},"
            f" at AMC {at_amc and at_amc.status}",
        )


def _nothing_sent_after_cancel(books: Books, findings: Findings) -> None:
    for attempt in books.database.attempts:
        row = books.rows.get(attempt.execution)
        if row is not None and row.cancel_requested_at is not None:
            findings.expect(
                attempt.intent_at <= row.cancel_requested_at,
                f"{attempt.execution}: attempt {attempt.attempt} was begun after its cancellation",
            )


def _unowned(books: Books) -> Iterator[RemoteExecution]:
    """Executions of our AMC workflows that no row is bound to."""
    owned = {row.amc_execution_id for row in books.database.rows}
    ours = {attempt.amc_workflow_id for attempt in books.database.attempts}
    for each in books.simulator.executions:
        if each.amc_execution_id not in owned and each.workflow in ours:
            yield each


def _owner_by_mark(books: Books, stray: RemoteExecution) -> list[str]:
    def fits(attempt: Attempt) -> bool:
        mark = (attempt.amc_workflow_id, attempt.timeout_seconds)
        return mark == (stray.workflow, stray.timeout_seconds)

    return [f"{a.execution} attempt {a.attempt}" for a in books.database.attempts if fits(a)]


INVARIANTS = (
    Invariant(
        "created_once",
        "AMC makes no execution beside the one bound to a row, but for strays that a round made.",
        _created_once,
    ),
    Invariant("bound_once", "An execution at AMC belongs to one row.", _bound_once),
    Invariant(
        "completed_was_made",
        "Every completed execution is bound to one that AMC made and finished.",
        _completed_was_made,
    ),
    Invariant(
        "strays_stopped",
        "What AMC made too late is cancelled there, or had ended when it was recognised.",
        _strays_stopped,
    ),
    Invariant(
        "cancelled_has_stopped",
        "What we call cancelled has ended at AMC, or was never there.",
        _cancelled_has_stopped,
    ),
    Invariant(
        "cancel_is_honoured",
        "A cancellation that was taken is carried out, or AMC had finished before.",
        _cancel_is_honoured,
    ),
    Invariant(
        "nothing_sent_after_cancel",
        "No call to create an execution is begun after its cancellation was taken.",
        _nothing_sent_after_cancel,
    ),
)
