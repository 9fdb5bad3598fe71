"""Processes of a benchmark: started with what they need, ended with it, their cost counted."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

import psutil

from deploy.local.owned import OwnedProcess, spawn, wait_until
from deploy.local.paths import PROJECT
from deploy.local.ports import free_ports, is_free

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a family of processes has used."""

    cpu_seconds: float
    memory_mb: float


def environment(**more: str) -> dict[str, str]:
    """A process's environment: what every program needs, and this."""
    base = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**base, "PYTHONDONTWRITEBYTECODE": "1", **more}


@contextlib.contextmanager
def running(
    argv: Sequence[str], *, log: Path, env: Mapping[str, str], count: int = 1
) -> Iterator[list[OwnedProcess]]:
    """`count` processes of one kind; ended at the end by TERM, then by force."""
    processes: list[OwnedProcess] = []
    try:
        processes.extend(spawn(argv, log=log, cwd=PROJECT, env=env) for _ in range(count))
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.signal(SIGTERM)
        for process in processes:
            process.stop(SIGTERM, 20)


@contextlib.contextmanager
def stub_amc(log: Path) -> Iterator[str]:
    """The address of an AMC that answers at once."""
    port = free_ports(1)[0]
    argv = (sys.executable, "-m", "benchmarks.stub_amc", str(port))
    with running(argv, log=log, env=environment()):
        assert wait_until(lambda: not is_free(port), seconds=20), f"see {log}"
        yield f"http://127.0.0.1:{port}"


def cost_of(pids: Sequence[int]) -> Cost:
    """CPU used so far and proportional memory held now, children included."""
    cpu, memory = 0.0, 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(pid)
            for each in (leader, *leader.children(recursive=True)):
                times = each.cpu_times()
                cpu += times.user + times.system
                memory += each.memory_full_info().pss / 2**20
    return Cost(cpu, memory)
