"""Three books of one round, kept by three who do not know each other: they must agree.

Our database, the simulator's journal and what the client was told. All of a round is on instances
of its own. Times are seconds since the epoch, executions go by their public id (`ex_...`),
instances and accounts by Amazon's id; whoever keeps a book converts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Door = Literal["rest", "bulk", "queue", "retry"]


# --- what the client was told -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """A request under one key, sent once or many times: `items` executions, or none of them."""

    door: Door
    key: str
    items: int
    is_certain: bool = False
    """Answered 202, or confirmed by a broker that kept its disk: all items must exist."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An answer that named an execution; the answer to a repeated request is one more of these."""

    execution: str
    door: Door
    key: str
    index: int
    """Its place in the request."""
    instance: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """A request to cancel and its answer: an HTTP status, and the state that a 202 showed."""

    execution: str
    at: float
    status_code: int | None
    """None: no answer came."""
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A state as an answer showed it; `at` is when the answer came."""

    execution: str
    state: str
    at: float


@dataclass(frozen=True, slots=True)
class LimitSet:
    """A limit of executions at once, for an instance or an account, as it was changed."""

    scope: str
    """The instance's or the account's Amazon id."""
    limit: int
    asked_at: float
    answered_at: float
    """From here on it is in force for certain; in between either may be."""


@dataclass(frozen=True, slots=True)
class ResultRead:
    """A completed execution's rows as the public API gave them."""

    execution: str
    columns: tuple[tuple[str, str], ...]
    """Name and type of each."""
    pages: tuple[tuple[object, ...], ...] | None
    """The rows of all pages, None if pages were not read."""
    csv: bytes | None
    """The whole download, None if it was not read."""


@dataclass(slots=True)
class ClientBook:
    """What the client asked for and was told; whoever drives a round appends to it."""

    asked: list[Asked] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    cancels: list[CancelAsked] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    limits: list[LimitSet] = field(default_factory=list)
    """Changes during the round; the limits at its end are in the database's book."""
    results: list[ResultRead] = field(default_factory=list)


# --- our database -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One execution as its row has it, at rest."""

    execution: str
    instance: str
    account: str
    state: str
    amc_execution_id: str | None
    attempt: int
    created_at: float
    cancel_requested_at: float | None = None
    lease_until: float | None = None
    intent_at: float | None = None
    row_count: int | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of an execution's history; `seq` grows in the order in which they were written."""

    seq: int
    execution: str
    at: float
    kind: str
    from_state: str | None
    to_state: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One intent to create an execution at AMC, and what became of it."""

    execution: str
    attempt: int
    outcome: str
    intent_at: float
    amc_workflow_id: str
    timeout_seconds: int


@dataclass(frozen=True, slots=True)
class StrayRow:
    """An execution at AMC that was recognised as one we had given up."""

    instance: str
    amc_execution_id: str
    execution: str
    is_cancelled: bool


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An idempotency key (a queue request's id is one) with the executions of its answer."""

    key: str
    executions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PartRow:
    """One file of a result as it was loaded."""

    execution: str
    part: int
    sha256: str
    size_bytes: int
    row_count: int


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The rows of one result as Postgres shows them as text, in order; None is NULL."""

    execution: str
    types: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that should be gone when all is at rest."""

    what: str
    """outbox, timer, lease, spool file, queue"""
    which: str


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A parked message as it was recorded."""

    queue: str
    message_id: str
    message_type: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class SlotSample:
    """One snapshot during the round: slots in use against the limit of that snapshot."""

    at: float
    scope: str
    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class SentCall:
    """A call of AMC by our own book; a process that was killed has not written its last second."""

    instance: str
    caller: str
    call: str
    at: float
    """When it was begun."""


@dataclass(slots=True)
class DatabaseBook:
    """What Postgres holds of the round's instances; `samples` are taken while it goes on."""

    rows: list[Row] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    strays: list[StrayRow] = field(default_factory=list)
    keys: list[KeyRow] = field(default_factory=list)
    parts: list[PartRow] = field(default_factory=list)
    stored: list[StoredRows] = field(default_factory=list)
    dead_letters: list[DeadLetterRow] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    samples: list[SlotSample] = field(default_factory=list)
    calls: list[SentCall] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    """Executions at once, by instance and by account, at the end."""
    rates: dict[str, int] = field(default_factory=dict)
    """Requests a second, by instance."""
    account_of: dict[str, str] = field(default_factory=dict)
    """The account of each instance."""


# --- the simulator ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RemotePart:
    """One result file as AMC wrote it."""

    sha256: str
    size_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class RemoteExecution:
    """An execution that AMC made, whoever asked for it."""

    amc_execution_id: str
    instance: str
    workflow: str
    timeout_seconds: int
    status: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    parts: tuple[RemotePart, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    """Of all parts, without headers; a field is the text between the commas, unquoted."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call of AMC's reporting API as it arrived."""

    instance: str
    method: str
    path: str
    status: int
    at: float
    fault: str | None


@dataclass(slots=True)
class SimulatorBook:
    """What AMC saw of the round's instances."""

    executions: list[RemoteExecution] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    peak_active: dict[str, int] = field(default_factory=dict)
    """Most executions PENDING or RUNNING at one moment, by instance and by account."""


# --- the round itself ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, and why."""

    begin: float
    end: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Searched:
    """One place searched for secrets: a dump, a log, the broker's folder."""

    place: str
    found: tuple[str, ...]
    """What surrounds each secret, masked."""
    is_control_found: bool
    """Whether a word that must be there was found: otherwise the search proves nothing."""


@dataclass(slots=True)
class Circumstances:
    """What the judge must know of the round to be exact where the promise has a limit."""

    excused_idleness: list[Span] = field(default_factory=list)
    """Nobody could admit: the database or all workers away, an instance paused, AMC full."""
    blurred_arrivals: list[Span] = field(default_factory=list)
    """The network or the simulator held calls back and let them go together."""
    refusing: list[Span] = field(default_factory=list)
    """AMC was told to take fewer executions at once than we may start: its 429 is not our doing."""
    strays_made: int = 0
    """Executions that AMC made after the settle time, or of a process frozen while sending."""
    expected_errors: frozenset[str] = frozenset({"queue_timeout", "deadline_exceeded"})
    """Error codes with which a client's execution may end, beside AMC's own refusal."""
    rest_seconds: float = 0.0
    """From the last fault's end to rest."""
    rest_bound_seconds: float = 60.0
    idle_bound_seconds: float = 5.0
    """How long a slot may be free while work for it waits."""
    searched: list[Searched] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Books:
    """One round, ready to be judged."""

    client: ClientBook
    database: DatabaseBook
    simulator: SimulatorBook
    circumstances: Circumstances = field(default_factory=Circumstances)

    @property
    def rows(self) -> Mapping[str, Row]:
        """By execution."""
        return {row.execution: row for row in self.database.rows}

    @property
    def remote(self) -> Mapping[str, RemoteExecution]:
        """By AMC's id."""
        return {each.amc_execution_id: each for each in self.simulator.executions}

    @property
    def history(self) -> Mapping[str, Sequence[Event]]:
        """Events by execution, in order."""
        found: dict[str, list[Event]] = {row.execution: [] for row in self.database.rows}
        for event in sorted(self.database.events, key=lambda event: event.seq):
            found.setdefault(event.execution, []).append(event)
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one invariant's check found: how often it looked, and where it does not hold."""

    invariant: str
    sentence: str
    checks: int
    violations: tuple[str, ...]
