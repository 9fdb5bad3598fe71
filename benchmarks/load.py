"""How fast a result becomes rows that can be paged, against `psql \\copy` into a bare table.

Both get the same bytes with the same types. Ours comes over HTTP, is spooled, numbered, keyed and
completes its execution; the rival reads the file and has none of that. Every measurement has a
fresh database on a server that has written as much before. The bare table is made outside of the
rival's time, ours inside of our own.
"""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.frame import Context, Row, Target, measure_pairs
from benchmarks.load_data import NARROW, WIDE, ResultFile, write_rows, write_size
from benchmarks.load_files import files_served
from benchmarks.load_worker import Loaded, WorkOrder, load_in_process
from benchmarks.load_world import plain_table, ready_executions
from benchmarks.processes import environment
from deploy.local.databases import clone_database, database_of, drop_database, with_database
from deploy.local.psql import find_psql, psql_login

_MB: Final = 1_000_000
_BIG: Final = Target(at_least=0.6)
_SMALL: Final = Target(at_least=0.45)
_MEMORY: Final = Target(at_most=150)
_LANES: Final = 4
"""What a downloader loads at once, as shipped."""
_SMALL_ROWS: Final = 2_000
_KINDS: Final = {"narrow": NARROW, "wide": WIDE}
_LOGGED_BYTES: Final = 2.5
"""Of the server's log for each byte of CSV, at most: 1.4 for a big result, 2.4 for small ones."""
_MOST_LOGGED: Final = 3_000_000_000
"""What 2 GB of CSV need, and less than the server keeps."""
_LOG_SO_MUCH: Final = """
select count(pg_logical_emit_message(false, 'amcflow', repeat('x', 1000000)))
  from generate_series(1, {megabytes});
"""


@dataclass(frozen=True, slots=True)
class Job:
    """What both sides load: a file, so many times."""

    name: str
    file: ResultFile
    target: Target
    results: int = 1
    lanes: int = 1
    sessions: int = 1
    """Of psql at once, each with its share."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The servers of one run and the folder whose files both sides read."""

    context: Context
    database_url: str
    files: Path
    origin: str

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """A fresh database of our schema; the server has nothing left to write."""
        server = with_database(self.database_url, "postgres")
        url = asyncio.run(clone_database(server, database_of(self.database_url)))
        try:
            yield url
        finally:
            asyncio.run(drop_database(server, url))

    def file(self, kind: str, size: int) -> ResultFile:
        """Of about so many bytes."""
        return write_size(self.files / f"{kind}-{size}.csv", _KINDS[kind], size)

    def wear_in(self, job: Job) -> None:
        """Neither side is the first to write as much: whoever is makes the files of the server's
        log, and everybody after him uses them again. The files to be loaded are on the disk."""
        logged = min(job.file.size * job.results * _LOGGED_BYTES, _MOST_LOGGED)
        with self.database() as url:
            _run_psql(url, _LOG_SO_MUCH.format(megabytes=int(logged / _MB) + 1))
            _checkpoint(url)
        os.sync()

    def ours(self, job: Job) -> Loaded:
        """A downloader of its own process."""
        with self.database() as url:
            executions = asyncio.run(ready_executions(url, job.results, job.file.columns))
            _checkpoint(url)
            return self._work(url, [str(each) for each in executions], job)

    def _work(self, url: str, executions: list[str], job: Job) -> Loaded:
        link = f"{self.origin}/{job.file.path.name}"
        order = WorkOrder(url, executions, link, job.lanes, str(self.context.new_folder("spool")))
        return load_in_process(order)

    def rival(self, job: Job) -> float:
        """Seconds of psql."""
        with self.database() as url:
            asyncio.run(plain_table(url, "plain", job.file.columns))
            _checkpoint(url)
            copy = f"\\copy plain from '{job.file.path}' with (format csv, header)\n"
            script = copy * (job.results // job.sessions)
            started = time.perf_counter()
            sessions = [_start_psql(url, script) for _ in range(job.sessions)]
            assert [session.wait() for session in sessions] == [0] * job.sessions
            return time.perf_counter() - started


def run(context: Context) -> list[Row]:
    """One row for each kind of result, and the memory of all of them."""
    size = context.pick(full=200, quick=80, tiny=1) * _MB
    with _opened(context) as bench:
        rows = [
            *_small(bench),
            _big(bench, bench.file("narrow", size)),
            _big(bench, bench.file("wide", size)),
        ]
        if context.pick(full=True, quick=False, tiny=False):
            rows.append(_big(bench, bench.file("narrow", 2_000 * _MB), pairs=1))
    return [*rows, _memory(rows)]


@contextlib.contextmanager
def _opened(context: Context) -> Iterator[Bench]:
    files, log = context.new_folder("files"), context.logs / "load_files.log"
    with context.servers() as found, files_served(files, log=log) as origin:
        yield Bench(context, found.database_url, files, origin)


def _small(bench: Bench) -> list[Row]:
    """Against psql as people run it, and against as many sessions as we have lanes."""
    context = bench.context
    file = write_rows(bench.files / "small.csv", NARROW, _SMALL_ROWS)
    results = context.pick(full=1_000, quick=250, tiny=8)
    name = f"load {results:,} results of {_SMALL_ROWS:,} rows"
    job = Job(name, file, _SMALL, results=results, lanes=_LANES)
    return [
        _pairs(bench, job),
        _pairs(bench, replace(job, name=f"{name}, {_LANES} x psql", sessions=_LANES)),
    ]


def _big(bench: Bench, file: ResultFile, *, pairs: int | None = None) -> Row:
    kind = file.path.stem.partition("-")[0]
    row = _pairs(bench, Job(f"load {file.size / _MB:,.0f} MB {kind}", file, _BIG), pairs=pairs)
    file.path.unlink()
    return row


def _pairs(bench: Bench, job: Job, *, pairs: int | None = None) -> Row:
    """Speeds in MB of CSV a second."""
    bench.wear_in(job)
    total, seen = job.file.size * job.results / _MB, list[Loaded]()

    def ours() -> float:
        seen.append(bench.ours(job))
        return total / seen[-1].seconds

    measured = measure_pairs(
        ours, lambda: total / bench.rival(job), pairs=pairs or bench.context.pairs
    )
    peak = max(loaded.peak_mb for loaded in seen)
    rows = job.file.rows * job.results
    row = measured.row(job.name, job.target, unit="MB/s", note=f"{rows:,} rows")
    bench.context.say(f"{row.name}: {row.ratio:.2f}, {peak:.0f} MB")
    return replace(row, details={"peak_mb": peak, "base_mb": seen[-1].base_mb, "rows": rows})


def _memory(rows: list[Row]) -> Row:
    """The most that any of the loads held: small and big ones alike."""
    peaks = {row.name: float(str(row.details["peak_mb"])) for row in rows}
    most = max(peaks.values())
    return Row(
        "load: peak memory",
        most,
        None,
        None,
        str(_MEMORY),
        _MEMORY.met_by(most),
        unit="MB",
        note="; ".join(f"{name.removeprefix('load ')} {mb:.0f}" for name, mb in peaks.items()),
        details=peaks,
    )


def _checkpoint(url: str) -> None:
    """Nothing of what was made before is left to be written."""
    _run_psql(url, "checkpoint\n;\n")


def _run_psql(url: str, script: str) -> None:
    done = _start_psql(url, script).wait()
    assert done == 0


def _start_psql(url: str, script: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [find_psql(), "-q", "-X", "-v", "ON_ERROR_STOP=1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment(**psql_login(url)),
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(script)
    process.stdin.close()
    return process
