"""Executions whose SQL is run: started with RUNNING, held until AMC would be done, or stopped."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from weakref import finalize

from services.simulator.clock import moment
from services.simulator.duck.checks import privacy_of
from services.simulator.duck.facts import Facts
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.runner import Job, Run, Runner
from services.simulator.duck.store import Store
from services.simulator.execution import Execution
from services.simulator.results.file import ResultFile


@dataclass(slots=True)
class SqlRuns:
    """The runs of one simulator; their files live as long as it does."""

    runner: Runner
    seed: int
    users: int
    _remove_files: Callable[[], object]
    _runs: dict[str, Run] = field(default_factory=dict)

    def wants(self, execution: Execution) -> bool:
        """False for one whose directives make its result up."""
        wanted = execution.order.query.directives
        made_up = wanted.columns_change or wanted.odd_value or wanted.empty_file
        return wanted.rows is None and not made_up and not execution.order.body.dry_run

    def start(self, execution: Execution) -> None:
        self._runs[execution.id] = self.runner.start(self._job(execution))

    def stop(self, execution: Execution) -> None:
        if run := self._runs.get(execution.id):
            run.stop()

    def is_done(self, execution: Execution) -> bool:
        run = self._runs.get(execution.id)
        return run is None or run.is_done

    def failure(self, execution: Execution) -> str | None:
        """Why an execution that is done has no result."""
        run = self._runs.get(execution.id)
        if run is None:
            return None
        outcome = run.outcome
        if not isinstance(outcome, str):
            execution.rows = outcome.rows
        return outcome if isinstance(outcome, str) else None

    def table(self, execution: Execution) -> ResultFile:
        """The result; one of before a restart is worked out again, while the caller waits."""
        if execution.id not in self._runs:
            self.start(execution)
        outcome = self._runs[execution.id].outcome
        if isinstance(outcome, str):
            raise LookupError(outcome)  # noqa: TRY004  it is no wrong type but a failed run
        return outcome

    def close(self) -> None:
        for run in self._runs.values():
            run.stop()
        self.runner.close()
        self._remove_files()

    def _job(self, execution: Execution) -> Job:
        order, instance = execution.order, execution.instance
        controls = not execution.disable_aggregation_controls or instance.entry.type != "SANDBOX"
        saved = instance.workflows.get(order.workflow_id)
        body = order.body.workflow or (saved.body if saved is not None else None)
        facts = Facts(
            start=_naive(order.window.start),
            end=_naive(order.window.end),
            now=_naive(moment(execution.created_at)),
            types=order.query.declared,
            values=order.parameter_values,
            controls=controls,
        )
        data = DataPlan(self.seed, instance.id, self.users, 0, 0)
        return Job(execution.id, order.query.sql, facts, privacy_of(body, controls=controls), data)


def build_sql_runs(folder: Path, *, seed: int, users: int, memory_megabytes: int) -> SqlRuns:
    """Data files are kept under `folder`, for whoever comes with the same plan."""
    files = tempfile.mkdtemp(prefix="amcflow-results-")
    runner = Runner(Store(folder, memory_megabytes), Path(files))
    # Also for a simulator that nobody closes.
    return SqlRuns(runner, seed, users, finalize(runner, shutil.rmtree, files, ignore_errors=True))


def _naive(when: datetime) -> datetime:
    return when.astimezone(UTC).replace(tzinfo=None)
