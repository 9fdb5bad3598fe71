"""What AMC looks at before it takes an execution in, and what its later validation will say."""

import re
from collections.abc import Iterator
from functools import lru_cache

from services.simulator.bodies import ExecutionBody
from services.simulator.catalogue import data_sources
from services.simulator.clock import moment
from services.simulator.execution import Execution, Order, Status, Workflow
from services.simulator.refusal import Refusal, Throttled
from services.simulator.switches import Switches
from services.simulator.world import Instance

_SANDBOX = "requireSyntheticData must be true for executions on a sandbox instance."


def undeclared_text(workflow: Workflow) -> str:
    name = workflow.undeclared[0]
    return f"Filter operation filter_operation referenced an undeclared parameter {name}."


def parameter_values(workflow: Workflow, body: ExecutionBody) -> dict[str, object]:
    """The values given, with defaults filled in; Refusal 400 for a used one that has neither."""
    defaults = {p.name: p.default_value for p in workflow.body.input_parameters}
    for name in sorted(workflow.query.parameters & defaults.keys()):
        if body.parameter_values.get(name) is None and defaults[name] is None:
            raise Refusal(400, f"No value was provided for parameter {name}.")
    known = {name: value for name, value in defaults.items() if value is not None}
    return {**known, **body.parameter_values}


def refusal_of(instance: Instance, workflow: Workflow, body: ExecutionBody) -> str | None:
    """Why AMC's asynchronous validation will reject what it has just accepted."""
    if workflow.undeclared:
        return undeclared_text(workflow)
    if instance.entry.type == "SANDBOX" and not body.require_synthetic_data:
        return _SANDBOX
    return None


def check_concurrency(instance: Instance, switches: Switches, limit: int) -> None:
    """Throttled if the switches ask for that instead of a queue."""
    if switches.concurrency_mode == "refuse" and instance.active >= limit:
        instance.traffic.tally.throttled["concurrency"] += 1
        raise Throttled(
            f"You have reached your execution limit of {limit} workflowExecutions"
            " that are in PENDING or RUNNING status."
        )


def check_daily_runs(instance: Instance, switches: Switches, at: float) -> None:
    """Throttled above the daily number that stale prose of Amazon's names; off by default."""
    most = switches.adhoc_runs_per_day
    if most is None:
        return
    today = moment(at).date()
    made = sum(moment(e.created_at).date() == today for e in instance.executions)
    if made >= most:
        raise Throttled(f"You have reached your limit of {most} ad hoc executions per day.")


def budget_refusal(execution: Execution, limit: int) -> str | None:
    """AMC's words if `limit` executions before used the same data in overlapping windows."""
    before = sum(1 for _ in _overlapping(execution))
    if before < limit:
        return None
    return (
        f'Execution "{execution.id}" of workflow "{execution.order.workflow_id}" could not be run'
        " because too many workflows have already been run against the same input data sources in"
        " the same or overlapping time windows."
    )


def _overlapping(execution: Execution) -> Iterator[Execution]:
    """Earlier executions that read, or may yet read, one of the same tables."""
    order, tables = execution.order, sources_of(execution.order.query.sql)
    for other in execution.instance.executions[: execution.number]:
        counts = other.status not in {Status.REJECTED, Status.CANCELLED}
        reads = counts and not other.order.body.dry_run
        meet = reads and _windows_meet(order, other.order)
        if meet and tables & sources_of(other.order.query.sql):
            yield other


def _windows_meet(one: Order, other: Order) -> bool:
    return one.window.start < other.window.end and other.window.start < one.window.end


@lru_cache(maxsize=2048)
def sources_of(sql: str) -> frozenset[str]:
    """The documented tables that a query names."""
    return frozenset(re.findall(r"\w+", sql.lower())) & data_sources().keys()
