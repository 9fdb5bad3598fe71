"""The table of "past one machine": what more instances need, and which part is full first.

`python -m benchmarks.past_one_machine` prints it as Markdown from the rows of the last run. The
load and the size of a server are chosen and stated with the table; the cost of an execution and
what a part can carry are measured; calls, messages and locks are counted in the code.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.frame import Row
from benchmarks.report import number, stored_rows

RUNS_AT_ONCE: Final = 3
RUN_SECONDS: Final = 600.0
INSTANCES_OF_AN_ACCOUNT: Final = 10
INSTANCES: Final = (1_000, 10_000, 100_000)
SERVER_CORES: Final = 16
"""Of the one Postgres."""
_FULL: Final = 0.7
"""Share of a core that a process of ours, or of a server, may use at most."""
_FEWEST_PROCESSES: Final = 5
"""One of each service that has a relay."""
_LIMIT_CALLS: Final = 9.4
_MESSAGES: Final = 3.0
"""Of an execution through outbox, relay and queues: submit, its share of looks, download."""
_CALLS: Final = 4.0
"""Of an execution: create, its share of lists, links, one straggler."""
_GATE_LOCKS: Final = 4.0
"""Of an execution: accepted and admitted, observed, ended."""
_SERVERS: Final = ("postgres", "rabbitmq")
_COST: Final = "cost: CPU"
_GATE: Final = "scale admit"
_RELAY: Final = "scale relay"
_QUEUE: Final = "submit"


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds of one execution by service and server, and what single parts can carry."""

    cpu: Mapping[str, float]
    gate_seconds: float
    """One account's gate held for an admission."""
    relay_seconds: float
    """A relay at work for a message that comes alone; in batches it is less for each."""
    queue_messages: float
    """A second, as many as one queue has given out here; it was not the queue that held back."""

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
    calls: float
    shares: Mapping[str, float]
    """Of what each part can carry."""

    @property
    def processes(self) -> int:
        return processes_for(self.service_cores)

    @property
    def fullest(self) -> str:
        """The part that is nearest to its end, which more replicas of ours do not move."""
        return max(self.shares, key=lambda part: self.shares[part])


def has_all(rows: Sequence[Row]) -> bool:
    """Whether everything that the table is computed from was measured."""
    return {_COST, _GATE, _RELAY, _QUEUE} <= {row.name for row in rows}


def measured_from(rows: Sequence[Row]) -> Measured:
    """From the rows of cost, scale and submit; ValueError names the one that is missing."""
    found = {row.name: row for row in rows}
    for name in (_COST, _GATE, _RELAY, _QUEUE):
        if name not in found:
            only = name.partition(":")[0].partition(" ")[0]
            raise ValueError(f"no row `{name}` yet: run `make bench ONLY={only}`")
    return Measured(
        cpu=_median_of(found[_COST].details["cpu_by_slice"]),
        gate_seconds=found[_GATE].ours / 1_000,
        relay_seconds=found[_RELAY].ours / 1_000,
        queue_messages=found[_QUEUE].ours,
    )


def _median_of(slices: object) -> dict[str, float]:
    assert isinstance(slices, list), slices
    return {name: statistics.median(each[name] for each in slices) / 1_000 for name in slices[0]}


def processes_for(cores: float) -> int:
    """Of all services together."""
    return max(_FEWEST_PROCESSES, math.ceil(cores / _FULL))


def need_of(instances: int, measured: Measured) -> Need:
    """For `instances` of them, each with RUNS_AT_ONCE runs of RUN_SECONDS at all times."""
    executions = instances * RUNS_AT_ONCE / RUN_SECONDS
    of_one = RUNS_AT_ONCE / RUN_SECONDS
    services = executions * measured.services
    postgres = executions * measured.cpu.get("postgres", 0.0)
    messages = executions * _MESSAGES
    locks_of_a_gate = of_one * INSTANCES_OF_AN_ACCOUNT * _GATE_LOCKS
    return Need(
        instances=instances,
        executions=executions,
        service_cores=services,
        postgres_cores=postgres,
        rabbitmq_cores=executions * measured.cpu.get("rabbitmq", 0.0),
        messages=messages,
        calls=executions * _CALLS,
        shares={
            "account gate": locks_of_a_gate * measured.gate_seconds,
            "budget row": of_one * _CALLS / _LIMIT_CALLS,
            "relay": messages * measured.relay_seconds / processes_for(services),
            # Each kind of message has a queue of its own.
            "queue": executions / measured.queue_messages,
            "Postgres": postgres / (SERVER_CORES * _FULL),
        },
    )


def table(measured: Measured) -> str:
    """Markdown, one column for each number of instances."""
    needs = [need_of(each, measured) for each in INSTANCES]

    def line(name: str, cell: Callable[[Need], str]) -> str:
        return "| " + " | ".join([name, *(cell(need) for need in needs)]) + " |"

    def full(part: str) -> str:
        return line(f"full: {part}", lambda need: f"{need.shares[part]:.2%}")

    lines = [
        line("instances", lambda need: f"{need.instances:,}"),
        "|---" * (len(needs) + 1) + "|",
        line("executions a second", lambda need: number(need.executions)),
        line("cores: services", lambda need: number(need.service_cores)),
        line("processes of services", lambda need: number(need.processes)),
        line("cores: Postgres", lambda need: number(need.postgres_cores)),
        line("cores: RabbitMQ", lambda need: number(need.rabbitmq_cores)),
        line("messages a second", lambda need: number(need.messages)),
        line("calls a second", lambda need: number(need.calls)),
        *map(full, needs[0].shares),
        line("full first", lambda need: need.fullest),
    ]
    return "\n".join(lines)


def cost_table(measured: Measured) -> str:
    """Markdown: milliseconds of CPU of one execution, by service and server."""
    names = [*measured.cpu, "all"]
    values = [*measured.cpu.values(), sum(measured.cpu.values())]
    return "\n".join(
        (
            "| " + " | ".join(["CPU of one execution", *names]) + " |",
            "|---" * (len(names) + 1) + "|",
            "| " + " | ".join(["ms", *(number(1_000 * value) for value in values)]) + " |",
        )
    )


def section(measured: Measured) -> str:
    """What stands between the marks of the page."""
    return f"{cost_table(measured)}\n\n{table(measured)}"


if __name__ == "__main__":
    print(section(measured_from(stored_rows())))
