"""Executions whose SQL is run: started with RUNNING, held until AMC would be done, or stopped.

With a folder of their own, results outlive the process: what was told of one stays true even if
the data, the seed or the simulator change, and a run that had ended is not done again.
"""

import asyncio
from collections.abc import Callable, Container
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from weakref import finalize

from services.simulator.clock import moment
from services.simulator.duck.checks import privacy_of
from services.simulator.duck.facts import Facts
from services.simulator.duck.owners import advertisers_seen, plan_of
from services.simulator.duck.runner import Job, Run, Runner
from services.simulator.duck.store import Store
from services.simulator.execution import Execution
from services.simulator.refusal import Refusal
from services.simulator.results.file import ResultFile, read_result


@dataclass(slots=True)
class SqlRuns:
    """The runs of one simulator; the files of results lie in `results`."""

    runner: Runner
    results: Path
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

    def resume(self, execution: Execution) -> None:
        kept = self._kept(execution)
        self._runs[execution.id] = self.runner.start(self._job(execution)) if kept is None else kept

    def sweep(self, known: Container[str]) -> None:
        for path in self.results.glob("*"):
            if path.stem not in known:
                path.unlink()

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

    async def ready(self, execution: Execution) -> None:
        if execution.id not in self._runs:
            kept = await asyncio.to_thread(self._kept, execution)
            # Meanwhile another request may have come as far.
            if execution.id not in self._runs:
                self._runs[execution.id] = kept or self.runner.start(self._job(execution))
        future = asyncio.wrap_future(self._runs[execution.id].future)
        # Shielded: who asked may go away, and others wait for the same run.
        outcome = await asyncio.shield(future)
        if isinstance(outcome, str):
            raise Refusal(500, f"The result of {execution.id} could not be made again: {outcome}")

    def table(self, execution: Execution) -> ResultFile:
        outcome = self._runs[execution.id].outcome
        assert not isinstance(outcome, str)
        return outcome

    def close(self) -> None:
        for run in self._runs.values():
            run.stop()
        self.runner.close()
        self._remove_files()

    def _kept(self, execution: Execution) -> Run | None:
        """One that had ended before a restart."""
        found = read_result(self.results / f"{execution.id}.csv")
        if found is None:
            return None
        future: Future[ResultFile | str] = Future()
        future.set_result(found)
        return Run(future)

    def _job(self, execution: Execution) -> Job:
        order = execution.order
        facts = Facts(
            start=_naive(order.window.start),
            end=_naive(order.window.end),
            now=_naive(moment(execution.created_at)),
            types=order.query.declared,
            values=order.parameter_values,
            controls=order.controls,
            advertisers=advertisers_seen(execution),
        )
        data = plan_of(execution.instance, seed=self.seed, users=self.users)
        privacy = privacy_of(order.definition, controls=order.controls)
        return Job(execution.id, order.query.sql, facts, privacy, data)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where data are kept for whoever comes with the same plan, and results."""

    data: Path
    results: Path | None
    """None: results are thrown away with the simulator."""
    data_megabytes: int = 4_000
    """Of all data files together."""


def build_sql_runs(folders: Folders, *, seed: int, users: int, memory_megabytes: int) -> SqlRuns:
    """Nothing is generated before somebody asks. OSError if there can be no folder for data."""
    store, closing = Store(folders.data, memory_megabytes, folders.data_megabytes), ExitStack()
    results = folders.results or closing.enter_context(store.folder.temporary("results"))
    runner = Runner(store, results)
    # Also for a simulator that nobody closes.
    remove = finalize(runner, closing.close)
    return SqlRuns(runner, results, seed, users, remove)


def _naive(when: datetime) -> datetime:
    return when.astimezone(UTC).replace(tzinfo=None)
