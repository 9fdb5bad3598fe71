"""`up`, `down` and `clean` as commands, with a stack of one sleeping process."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.owned import wait_until
from deploy.local.paths import PROJECT
from deploy.local.processes import is_alive

STACK = """
import signal, sys
from deploy.local import lifecycle
from deploy.local.paths import HOME, LOGS
from deploy.local.stack_file import StackFile, write_stack_file
from deploy.local.supervisor import ProcessSpec, Supervisor

def run():
    environment = {"PATH": "/usr/bin:/bin"}
    spec = ProcessSpec("worker", ("sh", "-c", "exec sleep 600"), lambda _: environment)
    with Supervisor([spec], logs=LOGS, cwd=HOME) as supervisor:
        write_stack_file(StackFile("a", "t", "d", "q", "s", supervisor.pids()))
        print("ready", flush=True)
        signal.pause()

if sys.argv[1] == "detached":
    sys.exit(lifecycle.up_detached((sys.executable, __file__, "up")))
sys.exit(lifecycle.up(run))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "stack.py").write_text(STACK)
    return tmp_path / "home"


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "AMCFLOW_HOME": str(home), "PYTHONPATH": str(PROJECT)}


def _run(home: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command],
        env=_environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _workers(home: Path) -> list[int]:
    return list(json.loads((home / "stack.json").read_text())["processes"]["worker"])


def test_a_detached_stack_runs_until_down_and_clean_waits_for_that(home: Path) -> None:
    script = str(home.parent / "stack.py")
    up = _run(home, script, "detached")
    workers = _workers(home)
    mode = stat.S_IMODE((home / "stack.json").stat().st_mode)
    again = _run(home, script, "detached")
    too_early = _run(home, "-m", "deploy.local", "clean")

    down = _run(home, "-m", "deploy.local", "down")

    assert up.returncode == 0, up.stderr
    assert "left running" in up.stdout
    assert mode == 0o600
    assert "runs already" in again.stderr
    assert "`make down` first" in too_early.stderr
    assert (down.returncode, "is down" in down.stdout) == (0, True)
    assert not any(map(is_alive, workers))
    assert not (home / "stack.json").exists()


def test_down_says_so_when_nothing_runs_and_clean_leaves_nothing(home: Path) -> None:
    home.mkdir()

    down = _run(home, "-m", "deploy.local", "down")
    clean = _run(home, "-m", "deploy.local", "clean")

    assert (down.returncode, down.stdout) == (0, "the stack is not running\n")
    assert clean.returncode == 0
    assert not home.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_stack_and_its_processes(home: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, str(home.parent / "stack.py"), "up"],
        env=_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as stack:
        assert stack.stdout is not None
        assert stack.stdout.readline() == "ready\n"
        workers = _workers(home)
        stack.send_signal(number)

    assert stack.returncode == 0
    assert wait_until(lambda: not any(map(is_alive, workers)), seconds=5)
    assert not (home / "stack.json").exists()
