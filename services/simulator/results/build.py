"""The result of an execution, the same whenever it is asked for.

It depends on the seed, the SQL, the parameters, the window and the instance; the last few are
remembered, because a client asks for the links and then for every part.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Protocol

from services.simulator.catalogue import Column
from services.simulator.clock import iso_seconds
from services.simulator.distribution import seeded
from services.simulator.execution import Execution
from services.simulator.results.file import ResultFile
from services.simulator.results.table import ResultTable, metadata_file
from services.simulator.results.values import make_table

_REMEMBERED = 32
_ADDED = Column("added_column", "STRING", "DIMENSION")


def columns_of(execution: Execution) -> tuple[Column, ...]:
    """The columns of this run; the columns-change directive adds one to every second run."""
    query = execution.order.query
    if query.directives.columns_change and execution.order.run % 2 == 0:
        return (*query.columns, _ADDED)
    return query.columns


class Worked(Protocol):
    """Results that are worked out, not made up."""

    def wants(self, execution: Execution) -> bool:
        """Whether this one is."""

    async def ready(self, execution: Execution) -> None:
        """Returns when the result of one that SUCCEEDED is there; Refusal 500 if it is lost."""

    def table(self, execution: Execution) -> ResultFile:
        """The result; it must be there."""


@dataclass(slots=True)
class Results:
    """Makes and remembers result tables, or has them worked out."""

    seed: int
    part_bytes: int
    worked: Worked | None = None
    _recent: OrderedDict[str, ResultTable] = field(default_factory=OrderedDict)

    async def ready(self, execution: Execution) -> None:
        """To be awaited before anything else is asked about a result, which may have to be worked
        out again after a restart; Refusal 500 if that fails."""
        if self.worked is not None and self.worked.wants(execution):
            await self.worked.ready(execution)

    def table(self, execution: Execution) -> ResultTable | ResultFile:
        if self.worked is not None and self.worked.wants(execution):
            return self.worked.table(execution)
        found = self._recent.get(execution.id)
        if found is None:
            found = self._recent[execution.id] = self._make(execution)
            if len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return found

    def parts(self, execution: Execution) -> list[tuple[int, int]]:
        """Row ranges of the result's files."""
        wanted = execution.order.query.directives.parts
        return self.table(execution).parts(wanted, self.part_bytes)

    def metadata(self, execution: Execution) -> bytes:
        order = execution.order
        return metadata_file(
            {
                "workflowExecutionId": execution.id,
                "workflowId": order.workflow_id,
                "sqlQuery": order.query.sql,
                "timeWindowStart": order.window.start_utc,
                "timeWindowEnd": order.window.end_utc,
                "createTime": iso_seconds(execution.created_at),
            }
        )

    def _make(self, execution: Execution) -> ResultTable:
        order = execution.order
        window = order.window
        rng = seeded(
            self.seed, "values", order.query.sql, sorted(order.parameter_values.items()),
            window.start_utc, window.end_utc, execution.instance.id,
        )  # fmt: skip
        wanted = order.query.directives
        table = make_table(
            columns_of(execution), execution.rows, rng, window, odd_value=wanted.odd_value
        )
        return (
            replace(table, rows=0, last_line=b"", has_header=False) if wanted.empty_file else table
        )
