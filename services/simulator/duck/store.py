"""Data files and the open handles on them.

A file is generated when it is first asked for, in a process of its own, and is never changed
again. A handle is closed to everything but reading its own file; the least used is let go.
"""

import json
import subprocess
import sys
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock

import duckdb

from services.simulator.duck.plan import DataPlan

_OPEN = 3
_GENERATOR = "services.simulator.duck.generator"
_SECONDS = 600


@dataclass(slots=True)
class Store:
    """The data files under one folder."""

    folder: Path
    memory_megabytes: int
    _handles: OrderedDict[str, duckdb.DuckDBPyConnection] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def cursor(self, plan: DataPlan) -> duckdb.DuckDBPyConnection:
        """A cursor of its own on the plan's data, which are made first if they are not there.
        RuntimeError if they cannot be made."""
        with self._lock:
            path = self._generated(plan)
            handle = self._handles.pop(path.name, None) or self._opened(path)
            self._handles[path.name] = handle
            if len(self._handles) > _OPEN:
                # Cursors on it keep what they need; the file is closed with the last of them.
                self._handles.popitem(last=False)
            return handle.cursor()

    def close(self) -> None:
        with self._lock:
            for handle in self._handles.values():
                handle.close()
            self._handles.clear()

    def _generated(self, plan: DataPlan) -> Path:
        path = self.folder / plan.file_name
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            made = subprocess.run(  # noqa: S603  our own module, our own arguments
                [sys.executable, "-m", _GENERATOR, json.dumps(asdict(plan)), str(path)],
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
            if made.returncode:
                raise RuntimeError(f"no data could be made: {made.stderr.strip()[-200:]}")
        return path

    def _opened(self, path: Path) -> duckdb.DuckDBPyConnection:
        """Read-only, one thread, no way to the outside, no way to change that."""
        spill = self.folder / "spill"
        spill.mkdir(exist_ok=True)
        handle = duckdb.connect(str(path), read_only=True)
        for name, value in (
            ("threads", "1"),
            ("memory_limit", f"'{self.memory_megabytes}MB'"),
            ("TimeZone", "'UTC'"),
            ("temp_directory", "'" + str(spill).replace("'", "''") + "'"),
            ("enable_external_access", "false"),
            ("lock_configuration", "true"),
        ):
            handle.execute(f"SET {name} = {value}")
        return handle
