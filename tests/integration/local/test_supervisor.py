"""Supervised processes: restarted after a crash, ended in reverse order, never left behind."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.local.owned import wait_until
from deploy.local.paths import PROJECT
from deploy.local.problems import LocalStackError
from deploy.local.processes import is_alive
from deploy.local.supervisor import Patience, ProcessSpec, Supervisor

QUICK = Patience(ready=20, grace=5, backoff=(0.01,))
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
SLEEPER = ("sh", "-c", "exec sleep 600")


def _environment(_replica: int) -> Mapping[str, str]:
    return ENVIRONMENT


def _noting(name: str, folder: Path, *, before: str = "") -> ProcessSpec:
    """Writes its name down when it is told to end."""
    ready = folder / f"{name}.ready"
    script = f'trap "echo {name} >>{folder}/ended; exit 0" TERM; {before} : >{ready}; '
    return ProcessSpec(
        name,
        ("sh", "-c", script + "while :; do sleep 0.05; done"),
        _environment,
        ready=lambda _: ready.exists(),
    )


def _supervisor(specs: list[ProcessSpec], folder: Path, patience: Patience = QUICK) -> Supervisor:
    return Supervisor(specs, logs=folder / "logs", cwd=folder, patience=patience)


def test_a_killed_process_is_started_again_and_counted(tmp_path: Path) -> None:
    spec = ProcessSpec("worker", SLEEPER, _environment, replicas=2)
    with _supervisor([spec], tmp_path) as supervisor:
        first = supervisor.pids()["worker"]

        supervisor.send("worker", signal.SIGKILL, replica=1)

        assert wait_until(lambda: supervisor.restarts() == {"worker": 1}, seconds=10)
        second = supervisor.pids()["worker"]
    assert second[0] == first[0]
    assert second[1] != first[1]
    assert "worker[1] ended with -9" in (tmp_path / "logs/worker.log").read_text()


def test_the_last_started_ends_first(tmp_path: Path) -> None:
    with _supervisor([_noting(name, tmp_path) for name in ("one", "two", "three")], tmp_path):
        pass

    assert (tmp_path / "ended").read_text().split() == ["three", "two", "one"]


def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    spec = _noting("parent", tmp_path, before=f"sleep 600 & echo $! >{tmp_path}/child;")
    with _supervisor([spec], tmp_path):
        child = int((tmp_path / "child").read_text())
        assert is_alive(child)

    assert not is_alive(child)


def test_who_ignores_term_is_killed_after_the_grace(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f'trap "" TERM; : >{ready}; while :; do sleep 0.05; done'
    spec = ProcessSpec("deaf", ("sh", "-c", script), _environment, ready=lambda _: ready.exists())
    with _supervisor([spec], tmp_path, Patience(grace=0.2)) as supervisor:
        pid = supervisor.pids()["deaf"][0]

    assert not is_alive(pid)


def test_who_cannot_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    spec = ProcessSpec("api", ("sh", "-c", "echo no secret; exit 1"), _environment)

    with pytest.raises(LocalStackError, match="api is not ready: no secret"):
        _supervisor(
            [ProcessSpec("api", spec.argv, _environment, ready=lambda _: False)], tmp_path
        ).__enter__()


def test_nothing_is_left_of_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import signal
from pathlib import Path
from deploy.local.supervisor import ProcessSpec, Supervisor
folder = Path({str(tmp_path)!r})
spec = ProcessSpec("worker", {SLEEPER!r}, lambda _: {ENVIRONMENT!r}, replicas=2)
with Supervisor([spec], logs=folder, cwd=folder) as supervisor:
    print(*supervisor.pids()["worker"], flush=True)
    signal.pause()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()

    assert len(workers) == 2
    assert wait_until(lambda: not any(map(is_alive, workers)), seconds=10)
