"""Keeps named processes running: restarts what crashes, ends all in reverse order.

The watching is done by one thread, so that the caller is free to show or to wait.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, Signals
from types import TracebackType
from typing import Self

from deploy.local.log_files import last_line
from deploy.local.owned import OwnedProcess, spawn, wait_until
from deploy.local.problems import LocalStackError

_LOOK_SECONDS = 0.05
# A process that ran this long has recovered: its next crash starts from the shortest wait.
_STEADY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One service; `env_of` and `ready` get the replica's number, from 0."""

    name: str
    argv: Sequence[str]
    env_of: Callable[[int], Mapping[str, str]]
    replicas: int = 1
    ready: Callable[[int], bool] | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds; `backoff` is used in turn, its last value for ever."""

    ready: float = 60.0
    grace: float = 15.0
    backoff: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0)
    crashes_before_ready: int = 3


@dataclass(slots=True)
class _Replica:
    """One process and its successors after crashes."""

    spec: ProcessSpec
    number: int
    process: OwnedProcess
    started_at: float = field(default_factory=time.monotonic)
    crashes_in_a_row: int = 0
    restarts: int = 0
    restart_at: float | None = None


class Supervisor:
    """Owns the processes between `start` and `stop`; as a context manager it does both."""

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        *,
        logs: Path,
        cwd: Path,
        patience: Patience | None = None,
    ) -> None:
        self._specs = specs
        self._logs = logs
        self._cwd = cwd
        self._patience = patience or Patience()
        self._replicas: list[_Replica] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts all in order, returns when all are ready; LocalStackError names who is not."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for spec in self._specs:
            _keep_one_old(self._log_of(spec))
            for number in range(spec.replicas):
                self._replicas.append(_Replica(spec, number, self._spawn(spec, number)))
        self._watcher.start()
        for replica in self._replicas:
            self._wait_ready(replica)

    def stop(self) -> None:
        """TERM, a time of grace, KILL: one service after the other, the last started first."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for spec in reversed(self._specs):
            mine = [replica.process for replica in self._replicas if replica.spec is spec]
            deadline = time.monotonic() + self._patience.grace
            for process in mine:
                if process.poll() is None:
                    process.signal(SIGTERM)
            for process in mine:
                process.wait(max(0.0, deadline - time.monotonic()))
                # Even a process that ended may have left children.
                process.kill()

    def pids(self) -> dict[str, list[int]]:
        with self._lock:
            found: dict[str, list[int]] = {spec.name: [] for spec in self._specs}
            for replica in self._replicas:
                if replica.process.poll() is None:
                    found[replica.spec.name].append(replica.process.pid)
            return found

    def restarts(self) -> dict[str, int]:
        with self._lock:
            found = {spec.name: 0 for spec in self._specs}
            for replica in self._replicas:
                found[replica.spec.name] += replica.restarts
            return found

    def send(self, name: str, number: Signals, *, replica: int = 0) -> None:
        """Signals one process; a SIGKILL is followed by a restart, like any crash."""
        self._find(name, replica).process.signal(number)

    def pid(self, name: str, *, replica: int = 0) -> int:
        """Of the process that plays this replica now, even if it has just ended."""
        return self._find(name, replica).process.pid

    def is_ready(self, name: str, *, replica: int = 0) -> bool:
        """Whether it runs and works at this moment."""
        return self._is_ready(self._find(name, replica))

    def wait_ready(self, name: str, *, replica: int = 0) -> None:
        """After a crash: returns when its successor is ready."""
        self._wait_ready(self._find(name, replica))

    def _find(self, name: str, number: int) -> _Replica:
        for replica in self._replicas:
            if (replica.spec.name, replica.number) == (name, number):
                return replica
        raise KeyError(f"{name}[{number}] is not supervised")

    def _log_of(self, spec: ProcessSpec) -> Path:
        return self._logs / f"{spec.name}.log"

    def _spawn(self, spec: ProcessSpec, number: int) -> OwnedProcess:
        return spawn(spec.argv, log=self._log_of(spec), cwd=self._cwd, env=spec.env_of(number))

    def _wait_ready(self, replica: _Replica) -> None:
        def is_settled() -> bool:
            return self._is_ready(replica) or self._has_given_up(replica)

        settled = wait_until(is_settled, seconds=self._patience.ready)
        if not settled or not self._is_ready(replica):
            log = self._log_of(replica.spec)
            raise LocalStackError(
                f"{replica.spec.name} is not ready: {last_line(log)} (the rest is in {log})"
            )

    def _is_ready(self, replica: _Replica) -> bool:
        if replica.process.poll() is not None:
            return False
        return replica.spec.ready is None or replica.spec.ready(replica.number)

    def _has_given_up(self, replica: _Replica) -> bool:
        return replica.crashes_in_a_row >= self._patience.crashes_before_ready

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            for replica in self._replicas:
                self._look_after(replica)

    def _look_after(self, replica: _Replica) -> None:
        now = time.monotonic()
        if replica.restart_at is None and replica.process.poll() is not None:
            self._note_crash(replica, now)
        elif replica.restart_at is not None and now >= replica.restart_at:
            with self._lock:
                replica.process = self._spawn(replica.spec, replica.number)
                replica.started_at, replica.restart_at = now, None
                replica.restarts += 1

    def _note_crash(self, replica: _Replica, now: float) -> None:
        if now - replica.started_at > _STEADY_SECONDS:
            replica.crashes_in_a_row = 0
        replica.process.kill()  # the children it may have left
        waits = self._patience.backoff
        replica.restart_at = now + waits[min(replica.crashes_in_a_row, len(waits) - 1)]
        replica.crashes_in_a_row += 1
        with self._log_of(replica.spec).open("a") as log:
            code = replica.process.poll()
            log.write(f"supervisor: {replica.spec.name}[{replica.number}] ended with {code}\n")


def _keep_one_old(log: Path) -> None:
    if log.exists():
        log.replace(log.with_suffix(".log.old"))
