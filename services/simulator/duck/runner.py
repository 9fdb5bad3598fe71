"""Runs queries beside the event loop: two workers, each query on a cursor of its own.

A worker generates data if it must, prepares, executes and writes the file; DuckDB lets go of
Python's lock while it works, so that the loop is not held up.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore, Lock, Timer

import duckdb

from services.simulator.distribution import seeded
from services.simulator.duck.facts import Facts
from services.simulator.duck.lines import ReadingStopped, lines
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.prepare import prepare
from services.simulator.duck.store import Store
from services.simulator.duck.thresholds import Guarded, Privacy
from services.simulator.duck.trial import STOPPED, said_of
from services.simulator.results.file import ResultFile, write_result
from services.simulator.sql.source import CompileError

_WORKERS = 2
_WAITING = 32
"""Runs that wait for data or for a worker; more wait to wait."""
_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Job:
    """One query with all that decides its result."""

    name: str
    sql: str
    facts: Facts
    privacy: Privacy
    data: DataPlan
    """Of the instance; its days are chosen by the window."""

    @property
    def chance(self) -> float:
        """What RANDOM and UUID begin with, 0 to 1: equal jobs over equal data give equal rows."""
        facts = self.facts
        data = self.data.covering(facts.start, facts.end).file_name
        values = sorted((facts.values or {}).items())
        return seeded(data, self.sql, facts.start, facts.end, values).random()


@dataclass(slots=True)
class Run:
    """One job under way. `outcome` is a file, or why there is none."""

    future: Future[ResultFile | str]
    _cursor: duckdb.DuckDBPyConnection | None = None
    _stopped: bool = False
    _lock: Lock = field(default_factory=Lock)

    @property
    def is_done(self) -> bool:
        return self.future.done()

    @property
    def outcome(self) -> ResultFile | str:
        return self.future.result()

    def stop(self) -> None:
        """Interrupts the query, now or as soon as it starts."""
        with self._lock:
            self._stopped = True
            if self._cursor is None:
                return
            self._cursor.interrupt()
        # An interrupt just before the query begins is lost; so until it has ended, another one.
        again = Timer(_AGAIN_SECONDS, self.stop)
        again.daemon = True
        again.start()

    def answer_if_never_begun(self, begun: Future[None]) -> None:
        """Nobody waits for ever for what the end of the process took out of the line."""
        if begun.cancelled():
            self.future.set_result(STOPPED)

    def adopt(self, cursor: duckdb.DuckDBPyConnection | None) -> bool:
        """Takes the cursor that the query is about to use; False if it is not wanted any more."""
        with self._lock:
            self._cursor = cursor
            return not self._stopped


class Runner:
    """The only place that executes SQL."""

    def __init__(self, store: Store, results: Path, timeout_seconds: float = 120.0) -> None:
        self._store = store
        self._results = results
        self._timeout_seconds = timeout_seconds
        self._pool = ThreadPoolExecutor(_WAITING, thread_name_prefix="sql")
        self._slots = BoundedSemaphore(_WORKERS)

    def start(self, job: Job) -> Run:
        run = Run(Future())
        begun = self._pool.submit(self._work, run, job)
        begun.add_done_callback(run.answer_if_never_begun)
        return run

    def close(self) -> None:
        self._store.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._store.close()

    def _work(self, run: Run, job: Job) -> None:
        try:
            run.future.set_result(self._answer(run, job))
        except BaseException as error:
            run.future.set_exception(error)
            raise

    def _answer(self, run: Run, job: Job) -> ResultFile | str:
        """A bad query, data that cannot be made and a query that breaks are answers as well."""
        try:
            return self._executed(run, job)
        except CompileError as error:
            return str(error)
        except duckdb.Error as error:
            return said_of(error)
        except ReadingStopped as error:
            return str(error)
        except (RuntimeError, OSError) as error:
            return f"The query could not be run: {str(error).splitlines()[0]}"

    def _executed(self, run: Run, job: Job) -> ResultFile | str:
        guarded = prepare(job.sql, job.facts, job.privacy)
        data = job.data.covering(job.facts.start, job.facts.end)
        # Whoever waits for data to be made does not keep others from running.
        with self._store.cursor(data) as cursor, self._slots:
            return self._written(run, job, guarded, cursor)

    def _written(
        self, run: Run, job: Job, guarded: Guarded, cursor: duckdb.DuckDBPyConnection
    ) -> ResultFile | str:
        timer = Timer(self._timeout_seconds, run.stop)
        timer.daemon = True
        try:
            if not run.adopt(cursor):
                return STOPPED
            timer.start()
            cursor.execute("SELECT setseed(?)", [job.chance]).fetchall()
            self._results.mkdir(parents=True, exist_ok=True)
            path = self._results / f"{job.name}.csv"
            return write_result(path, guarded.columns, lines(cursor, guarded.lines))
        finally:
            timer.cancel()
            run.adopt(None)
