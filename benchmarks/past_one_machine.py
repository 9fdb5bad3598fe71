"""The table of "past one machine": what more instances need, from what one execution costs.

`python -m benchmarks.past_one_machine` prints it as Markdown from the rows of the last run. The
load is a chosen one and stated with the table; the CPU of one execution is measured, and its
calls, messages and locks are counted in the code.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.frame import Row
from benchmarks.report import number, stored_rows

RUNS_AT_ONCE: Final = 3
RUN_SECONDS: Final = 600.0
INSTANCES_OF_AN_ACCOUNT: Final = 10
INSTANCES: Final = (1_000, 10_000, 100_000)
_LIMIT_CALLS: Final = 9.4
_MESSAGES: Final = 3.0
"""Of an execution through outbox, relay and queues: submit, its share of looks, download."""
_CALLS: Final = 4.0
"""Of an execution: create, its share of lists, links, one straggler."""
_GATE_LOCKS: Final = 4.0
"""Of an execution: accepted and admitted, observed, ended."""
_SERVERS: Final = ("postgres", "rabbitmq")


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds of one execution, by service and server."""

    cpu: Mapping[str, float]

    @property
    def services(self) -> float:
        return sum(each for name, each in self.cpu.items() if name not in _SERVERS)


@dataclass(frozen=True, slots=True)
class Need:
    """What a number of instances asks for, all of them at work."""

    instances: int
    executions: float
    """A second, as all others."""
    service_cores: float
    postgres_cores: float
    rabbitmq_cores: float
    messages: float
    budget_updates: float
    busiest_budget: float
    """Share of its limit that one instance's budget row uses."""
    busiest_gate: float
    """Locks of one account's gate."""


def measured_from(rows: Sequence[Row]) -> Measured:
    """From the row `cost: CPU`; ValueError if it was not measured yet."""
    for row in rows:
        slices = row.details.get("cpu_by_slice") if row.name == "cost: CPU" else None
        if isinstance(slices, list) and slices:
            names = slices[0]
            return Measured(
                {name: statistics.median(each[name] for each in slices) / 1_000 for name in names}
            )
    raise ValueError("no row `cost: CPU` yet: run `make bench ONLY=cost`")


def need_of(instances: int, measured: Measured) -> Need:
    """For `instances` of them, each with RUNS_AT_ONCE runs of RUN_SECONDS at all times."""
    executions = instances * RUNS_AT_ONCE / RUN_SECONDS
    one = executions / instances
    return Need(
        instances=instances,
        executions=executions,
        service_cores=executions * measured.services,
        postgres_cores=executions * measured.cpu.get("postgres", 0.0),
        rabbitmq_cores=executions * measured.cpu.get("rabbitmq", 0.0),
        messages=executions * _MESSAGES,
        budget_updates=executions * _CALLS,
        busiest_budget=one * _CALLS / _LIMIT_CALLS,
        busiest_gate=one * INSTANCES_OF_AN_ACCOUNT * _GATE_LOCKS,
    )


def table(measured: Measured) -> str:
    """Markdown, one column for each number of instances."""
    needs = [need_of(each, measured) for each in INSTANCES]
    lines = [
        ("instances", [f"{need.instances:,}" for need in needs]),
        ("executions a second", [number(need.executions) for need in needs]),
        ("cores: services", [number(need.service_cores) for need in needs]),
        ("cores: Postgres", [number(need.postgres_cores) for need in needs]),
        ("cores: RabbitMQ", [number(need.rabbitmq_cores) for need in needs]),
        ("messages a second", [number(need.messages) for need in needs]),
        ("updates of budget rows a second", [number(need.budget_updates) for need in needs]),
        ("one budget row: share of its limit", [f"{need.busiest_budget:.1%}" for need in needs]),
        ("one account's gate: locks a second", [number(need.busiest_gate) for need in needs]),
    ]
    rows = ["| " + " | ".join([name, *cells]) + " |" for name, cells in lines]
    return "\n".join([rows[0], "|---" * (len(needs) + 1) + "|", *rows[1:]])


if __name__ == "__main__":
    print(table(measured_from(stored_rows())))
