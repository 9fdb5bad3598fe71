"""The folder of data files: each is generated once, kept while there is room, and never taken
away from whoever reads it.

A file `amc-x.duckdb` has `amc-x.lock` beside it. Who generates or removes the file holds the lock
alone, who reads it holds it with others; so this is true among processes as well.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock
from uuid import uuid4

from services.simulator.duck.locks import FileLock
from services.simulator.duck.plan import DataPlan

_GENERATOR = "services.simulator.duck.generator"
_SECONDS = 1800
_AT_ONCE = 2
"""Generators of one process; each takes a third of a gigabyte."""
_AGAIN_SECONDS = 0.05
_MEGABYTE = 1_000_000


class DataUnavailableError(RuntimeError):
    """The data of a plan could not be made; the next to ask tries again."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A data file that stays where it is until the lease is given back."""

    path: Path
    lock: FileLock

    def touch(self) -> None:
        """The least recently touched file goes first."""
        os.utime(self.path)


@dataclass(slots=True)
class DataFolder:
    """The data files under one folder, which other processes may use as well."""

    path: Path
    megabytes: int
    """Of all files together; those in use count and stay."""
    command: tuple[str, ...] = (sys.executable, "-m", _GENERATOR)
    _tidied: bool = False
    _stopping: Event = field(default_factory=Event)
    _slots: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(_AT_ONCE))
    _children: set[subprocess.Popen[str]] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def lease(self, plan: DataPlan) -> Lease:
        """The plan's file, generated first if need be, by whoever comes first.
        DataUnavailableError if it cannot be made."""
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / plan.file_name
        if not self._tidied:
            self._tidied = True
            self.tidy(keep=path)
        while True:
            lease = Lease(path, self._held(path, shared=True))
            if path.exists():
                lease.touch()
                return lease
            lease.lock.release()
            alone = self._held(path, shared=False)
            try:
                if not path.exists():
                    self._generate(plan, path)
            finally:
                alone.release()
            self.tidy(keep=path)

    def tidy(self, keep: Path | None = None) -> None:
        """Removes what dead processes left and, if there is too much, what was used longest ago."""
        for lock in (FileLock(found) for found in sorted(self.path.glob("*.lock"))):
            if lock.take(shared=False):
                self._sweep(lock)
        files = [path for path in self.path.glob("amc-*.duckdb") if path != keep]
        sizes = {path: path.stat().st_size for path in files if path.exists()}
        excess = sum(sizes.values()) - self.megabytes * _MEGABYTE
        excess += keep.stat().st_size if keep is not None and keep.exists() else 0
        for path in sorted(sizes, key=_touched):
            if excess > 0 and self._removed(path):
                excess -= sizes[path]

    def stop(self) -> None:
        """Ends what is being generated; nothing is generated any more."""
        self._stopping.set()
        with self._lock:
            for child in self._children:
                child.kill()

    @contextmanager
    def temporary(self, kind: str) -> Iterator[Path]:
        """A folder of its own for what is not to outlive the process; if that is killed, whoever
        tidies next removes it."""
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / f"{kind}-{uuid4().hex}"
        lock = FileLock(path.with_suffix(".lock"))
        if not lock.take(shared=False):
            raise DataUnavailableError(f"{path} is somebody else's")
        try:
            path.mkdir()
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            lock.remove()

    def _held(self, path: Path, *, shared: bool) -> FileLock:
        lock = FileLock(path.with_suffix(".lock"))
        while not lock.take(shared=shared):
            if self._stopping.wait(_AGAIN_SECONDS):
                raise DataUnavailableError("the simulator is stopping")
        return lock

    def _generate(self, plan: DataPlan, path: Path) -> None:
        with self._slots:
            told = (json.dumps(asdict(plan)), str(path), str(os.getpid()))
            with self._child([*self.command, *told]) as child:
                try:
                    _, errors = child.communicate(timeout=_SECONDS)
                except subprocess.TimeoutExpired:
                    errors = f"it took more than {_SECONDS} seconds"
                    child.kill()
            self._sweep_partials(path.stem)
        if child.returncode:
            reason = errors.strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
            # A caller of the API has no business with paths of this machine.
            said = reason[0].replace(str(self.path), "the data folder")
            raise DataUnavailableError(f"no data could be made: {said[-200:]}")

    @contextmanager
    def _child(self, command: list[str]) -> Iterator[subprocess.Popen[str]]:
        with self._lock:
            if self._stopping.is_set():
                raise DataUnavailableError("the simulator is stopping")
            child = subprocess.Popen(  # noqa: S603  our own module, our own arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._children.add(child)
        try:
            with child:
                yield child
        finally:
            with self._lock:
                self._children.discard(child)

    def _sweep(self, lock: FileLock) -> None:
        """What belongs to a lock that nobody held until now."""
        stem = lock.path.stem
        shutil.rmtree(lock.path.with_suffix(""), ignore_errors=True)
        self._sweep_partials(stem)
        if lock.path.with_suffix(".duckdb").exists():
            lock.release()
        else:
            lock.remove()

    def _sweep_partials(self, stem: str) -> None:
        for left in self.path.glob(f"{stem}.*.partial*"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)

    def _removed(self, path: Path) -> bool:
        lock = FileLock(path.with_suffix(".lock"))
        if not lock.take(shared=False):
            return False
        path.unlink(missing_ok=True)
        lock.remove()
        return True


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
