"""A saved workflow and one run of it, as AMC holds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from services.simulator.bodies import ExecutionBody, WorkflowBody
from services.simulator.sql.compiler import CompiledQuery
from services.simulator.windows import Window

if TYPE_CHECKING:
    from services.simulator.world import Instance


Cadence = Literal["adhoc", "daily", "weekly"]


class Status(StrEnum):
    """AMC's words for where an execution is."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


ACTIVE = frozenset({Status.PENDING, Status.RUNNING})


@dataclass(slots=True, eq=False)
class Workflow:
    """A saved definition; `runs` counts the executions made of it."""

    body: WorkflowBody
    query: CompiledQuery
    runs: int = 0

    @property
    def undeclared(self) -> list[str]:
        declared = {parameter.name for parameter in self.body.input_parameters}
        return sorted(self.query.parameters - declared)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run: the workflow as it was when the execution was created."""

    workflow_id: str
    query: CompiledQuery
    body: ExecutionBody
    window: Window
    parameter_values: Mapping[str, object]
    refusal: str | None
    """Why validation will end in REJECTED, if it will."""
    run: int
    """The workflow's how-manieth execution on this instance, from 1."""
    cadence: Cadence = "adhoc"
    """Who asked for it: a caller, or a schedule."""
    definition: WorkflowBody = field(default_factory=WorkflowBody)
    """The workflow as its caller wrote it."""
    controls: bool = True
    """Whether rows that rest on few users are hidden; false only where a sandbox was asked for it
    when the execution was created."""


@dataclass(slots=True, eq=False)
class Execution:
    """One run. Times are clock readings; only the engine changes them and `status`."""

    id: str
    number: int
    """Its place in the instance's list, from 0."""
    instance: "Instance"
    order: Order
    created_at: float
    updated_at: float
    run_seconds: float
    """AMC seconds from RUNNING to the end."""
    rows: int
    status: Status = Status.PENDING
    status_reason: str | None = None
    validated_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    disable_aggregation_controls: bool = False
    hidden: bool = False
    """Deleted: neither found nor listed."""
    sha256: str | None = field(default=None, repr=False)
    """Of the whole result as one CSV file; worked out when first asked for."""

    @property
    def has_result(self) -> bool:
        body = self.order.body
        return self.status is Status.SUCCEEDED and not body.dry_run and not body.skip_publish


def as_of(execution: Execution, then: float) -> Execution:
    """The execution as it was at an earlier time, for lists that lag."""
    if execution.finished_at is None or execution.finished_at <= then:
        started = execution.started_at
        if execution.status is not Status.RUNNING or (started is not None and started <= then):
            return execution
    ran = execution.started_at is not None and execution.started_at <= then
    return replace(
        execution,
        status=Status.RUNNING if ran else Status.PENDING,
        status_reason=None,
        updated_at=then,
        finished_at=None,
    )
