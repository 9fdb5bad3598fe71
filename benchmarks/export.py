"""The whole of a result as a file: streamed by the API, against psql and pyarrow.

The API is a process of its own and its client throws the bytes away; `psql \\copy` writes the bare
table to nowhere; pyarrow has the whole table in memory. Memory is by how much each process grew.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from benchmarks.frame import Context, Row, Target, measure_pairs
from benchmarks.processes import environment
from benchmarks.read_api import Api, served_result
from benchmarks.read_memory import forget_peak, peak_mb, resident_mb
from deploy.local.psql import find_psql, psql_login
from shared.db.results.identifiers import in_results, quote_ident

_SPEED: Final = Target(at_least=0.5)
_SHARE: Final = 0.2
_PIECE: Final = 1024 * 1024


def run(context: Context) -> list[Row]:
    """The rows `export csv` and `export parquet`."""
    rows = context.pick(full=1_000_000, quick=1_000_000, tiny=5_000)
    with served_result(context, rows) as api:
        bench = _Bench(context, api)
        parquet = bench.row("export parquet", "parquet", bench.pyarrow)
        csv = bench.row("export csv", "csv", bench.psql)
    return [csv, parquet]


class _Bench:
    def __init__(self, context: Context, api: Api) -> None:
        self._context, self._api = context, api
        self._grown = dict[str, float]()

    def row(self, name: str, kind: str, rival: Callable[[], float]) -> Row:
        """Rows a second; met if the memory is, too."""
        pairs = measure_pairs(lambda: self.ours(kind), rival, pairs=self._context.pairs)
        share = self._grown[kind] / self._grown["pyarrow"]
        note = (
            f"grew by {self._grown[kind]:.0f} MB, {share:.2f} of pyarrow's"
            f" {self._grown['pyarrow']:.0f} MB (<= {_SHARE})"
        )
        row = pairs.row(name, _SPEED, unit="rows/s", note=note, details={**self._grown})
        return replace(row, met=bool(row.met) and share <= _SHARE)

    def ours(self, kind: str) -> float:
        """By HTTP."""
        pid = self._api.pid
        forget_peak(pid)
        base, started = resident_mb(pid), time.perf_counter()
        path = f"/executions/{self._api.execution}/download?format={kind}"
        with self._api.connect().open(path) as response:
            while response.read(_PIECE):
                pass
        seconds = time.perf_counter() - started
        self._grew(kind, peak_mb(pid) - base)
        return self._api.result.row_count / seconds

    def psql(self) -> float:
        """The table as it stands."""
        table, columns = self._table()
        started = time.perf_counter()
        subprocess.run(
            [
                find_psql(),
                "-q",
                "-X",
                "-c",
                f"\\copy {table} ({columns}) to '/dev/null' csv header",
            ],
            env=environment(**psql_login(self._api.database_url)),
            check=True,
        )
        return self._api.result.row_count / (time.perf_counter() - started)

    def pyarrow(self) -> float:
        """All in memory."""
        table, columns = self._table()
        order = {
            "database_url": self._api.database_url,
            "query": f"select {columns} from {table}",
            "path": str(self._context.new_folder("parquet") / "file.parquet"),
        }
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.export_rival"],
            input=json.dumps(order),
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        said: dict[str, float] = json.loads(done.stdout)
        self._grew("pyarrow", said["grown_mb"])
        return self._api.result.row_count / said["seconds"]

    def _grew(self, what: str, by: float) -> None:
        self._grown[what] = max(self._grown.get(what, 0), by)

    def _table(self) -> tuple[str, str]:
        result = self._api.result
        names = [quote_ident(column.name) for column in result.columns]
        return in_results(result.table_name), ", ".join(names)
