"""The books of a small round in which nothing is wrong, to be spoilt by tests."""

from tests.chaos.books import (
    Accepted,
    Arrival,
    Asked,
    Attempt,
    Books,
    CancelAsked,
    Circumstances,
    ClientBook,
    DatabaseBook,
    DeadLetterRow,
    Event,
    KeyRow,
    PartRow,
    RemoteExecution,
    RemotePart,
    ResultRead,
    Row,
    Searched,
    Shown,
    SimulatorBook,
    SlotSample,
    StoredRows,
)

INSTANCE, ACCOUNT = "amc1", "ENTITY1"
PATH = ("queued", "submitting", "pending", "running", "downloading", "completed")
ROWS = (("anna", "12", "2026-01-01T10:00:00Z"), ("ben", "", "2026-01-02T00:00:00Z"))
TYPES = ("text", "bigint", "timestamp")
STORED = (("anna", "12", "2026-01-01 10:00:00"), ("ben", None, "2026-01-02 00:00:00"))
PAGES = (("anna", 12, "2026-01-01T10:00:00"), ("ben", None, "2026-01-02T00:00:00"))
CSV = b"name,number,at\nanna,12,2026-01-01 10:00:00\nben,,2026-01-02 00:00:00\n"


def life(execution: str, *states: str, begin: float, kind: str = "state_changed") -> list[Event]:
    """A second in each state; entries are numbered by their time."""
    return [
        Event(int((begin + place) * 1000), execution, begin + place, kind, before, state)
        for place, (before, state) in enumerate(zip((None, *states), states, strict=False))
    ]


def row(execution: str, state: str = "completed", **more: object) -> Row:
    values = {
        "instance": INSTANCE,
        "account": ACCOUNT,
        "amc_execution_id": f"amc-{execution}",
        "attempt": 1,
        "created_at": 0.0,
        "row_count": 2 if state == "completed" else None,
        **more,
    }
    return Row(execution=execution, state=state, **values)


def made(execution: str, status: str = "SUCCEEDED", **more: object) -> RemoteExecution:
    values = {
        "amc_execution_id": f"amc-{execution}",
        "instance": INSTANCE,
        "workflow": "wf_1",
        "timeout_seconds": 3601,
        "created_at": 1.5,
        "started_at": 2.0,
        "finished_at": 3.5,
        "parts": (RemotePart("abc", 90, 2),) if status == "SUCCEEDED" else (),
        "rows": ROWS if status == "SUCCEEDED" else (),
        **more,
    }
    return RemoteExecution(status=status, **values)


def attempt(execution: str, **more: object) -> Attempt:
    values = {
        "attempt": 1,
        "outcome": "bound",
        "intent_at": 1.4,
        "amc_workflow_id": "wf_1",
        "timeout_seconds": 3601,
        **more,
    }
    return Attempt(execution, **values)


def good() -> Books:
    """Three in one slot: `ex_a` completed, `ex_b` cancelled at AMC, `ex_f` failed there.

    AMC made one more too late, and it was cancelled.
    """
    database = DatabaseBook(
        rows=[
            row("ex_a"),
            row("ex_b", "cancelled", cancel_requested_at=6.0),
            row("ex_f", "failed", error_code="query_failed"),
        ],
        events=[
            *life("ex_a", *PATH, begin=0),
            *life("ex_b", "queued", begin=1),
            *life("ex_b", "queued", "submitting", "pending", "cancelled", begin=4)[1:],
            *life("ex_f", "queued", "submitting", "pending", "failed", begin=20),
        ],
        attempts=[
            attempt("ex_a"),
            attempt("ex_b", intent_at=5.5, timeout_seconds=3602),
            attempt("ex_f", intent_at=21.5),
        ],
        keys=[KeyRow("k1", ("ex_a", "ex_b")), KeyRow("k3", ("ex_f",))],
        parts=[PartRow("ex_a", 1, "abc", 90, 2)],
        stored=[StoredRows("ex_a", TYPES, STORED)],
        dead_letters=[DeadLetterRow("submitter", "m1", None, "undecodable: no JSON")],
        samples=[SlotSample(1.0, INSTANCE, 1, 1)],
        limits={INSTANCE: 1, ACCOUNT: 1},
        rates={INSTANCE: 2},
        account_of={INSTANCE: ACCOUNT},
    )
    client = ClientBook(
        asked=[Asked("bulk", "k1", 2, is_certain=True), Asked("queue", "k3", 1)],
        accepted=[
            Accepted(execution, "bulk", "k1", index, INSTANCE)
            for index, execution in enumerate(("ex_a", "ex_b"))
        ],
        cancels=[CancelAsked("ex_b", 6.0, 202, "pending")],
        shown=[Shown("ex_a", "queued", 0.5), Shown("ex_a", "completed", 5.5)],
        results=[ResultRead("ex_a", tuple(zip("nma", TYPES, strict=True)), PAGES, CSV)],
    )
    cancelled = made(
        "ex_b", "CANCELLED", timeout_seconds=3602, created_at=5.6, started_at=None, finished_at=6.5
    )
    failed = made("ex_f", "FAILED", created_at=21.6, started_at=22.0, finished_at=22.9)
    stray = made("late", "CANCELLED", created_at=15.0, started_at=16.0, finished_at=17.0)
    simulator = SimulatorBook(
        executions=[made("ex_a"), cancelled, failed, stray],
        arrivals=[Arrival(INSTANCE, "GET", "/x", 200, at, None) for at in (0.0, 0.5, 1.0)],
        peak_active={INSTANCE: 1, ACCOUNT: 1},
    )
    searched = [Searched("a log", (), is_control_found=True)]
    return Books(client, database, simulator, Circumstances(searched=searched, strays_made=1))
