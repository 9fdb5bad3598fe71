"""Open handles on data files, each closed to everything but reading its own file; of those that
nobody uses the least used is let go.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import duckdb

from services.simulator.duck.folder import DataFolder, Lease
from services.simulator.duck.plan import DataPlan

_OPEN = 3
_SPILL = "4GB"
"""Of one handle, on disk; a query that needs more fails."""
_MEGABYTES = 4_000


@dataclass(slots=True)
class _Handle:
    connection: duckdb.DuckDBPyConnection
    lease: Lease
    closing: ExitStack
    users: int = 0


@dataclass(slots=True)
class Store:
    """The data files under one folder, as something to ask."""

    path: Path
    memory_megabytes: int
    data_megabytes: int = _MEGABYTES
    folder: DataFolder = field(init=False)
    _handles: OrderedDict[str, _Handle] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.folder = DataFolder(self.path, self.data_megabytes)

    @contextmanager
    def cursor(self, plan: DataPlan) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own on the plan's data, which are made first if they are not there, while
        others go on. DataUnavailableError if they cannot be made."""
        handle = self._borrowed(plan.file_name) or self._opened(plan)
        try:
            with handle.connection.cursor() as cursor:
                yield cursor
        finally:
            self._returned(handle)

    def stop(self) -> None:
        """Whoever waits for data gets an error now; what is open stays so until `close`."""
        self.folder.stop()

    def close(self) -> None:
        """When no cursor is in use any more."""
        self.stop()
        with self._lock:
            for handle in self._handles.values():
                handle.closing.close()
            self._handles.clear()

    def _borrowed(self, name: str) -> _Handle | None:
        with self._lock:
            handle = self._handles.get(name)
            if handle is not None:
                handle.users += 1
                handle.lease.touch()
                self._handles.move_to_end(name)
            return handle

    def _opened(self, plan: DataPlan) -> _Handle:
        with ExitStack() as closing:
            lease = self.folder.lease(plan)
            closing.callback(lease.lock.release)
            # In one process a file has one handle: somebody may have opened it meanwhile.
            with self._lock:
                handle = self._handles.get(plan.file_name)
                if handle is None:
                    spill = closing.enter_context(self.folder.temporary("spill"))
                    connection = _connected(lease.path, spill, self.memory_megabytes)
                    closing.callback(connection.close)
                    handle = _Handle(connection, lease, closing.pop_all())
                    self._handles[plan.file_name] = handle
                handle.users += 1
                self._let_go()
                return handle

    def _returned(self, handle: _Handle) -> None:
        with self._lock:
            handle.users -= 1
            self._let_go()

    def _let_go(self) -> None:
        idle = [name for name, handle in self._handles.items() if not handle.users]
        for name in idle[: max(0, len(self._handles) - _OPEN)]:
            self._handles.pop(name).closing.close()


def _connected(path: Path, spill: Path, memory_megabytes: int) -> duckdb.DuckDBPyConnection:
    """Read-only, one thread, no way to the outside, no way to change that."""
    connection = duckdb.connect(str(path), read_only=True)
    for name, value in (
        ("threads", "1"),
        ("memory_limit", f"'{memory_megabytes}MB'"),
        ("TimeZone", "'UTC'"),
        ("temp_directory", "'" + str(spill).replace("'", "''") + "'"),
        ("max_temp_directory_size", f"'{_SPILL}'"),
        ("enable_external_access", "false"),
        ("lock_configuration", "true"),
    ):
        connection.execute(f"SET {name} = {value}")
    return connection
