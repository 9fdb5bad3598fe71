"""One stack per checkout: up until Ctrl-C or left running, down, clean.

Who runs it holds a lock on a file, which the kernel releases at every kind of end.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from deploy.local.containers import remove_volumes
from deploy.local.owned import wait_until
from deploy.local.paths import DATA, HOME, LOGS, PROJECT, STACK_FILE
from deploy.local.problems import LocalStackError
from deploy.local.reach import remove_elsewhere
from deploy.local.scratch import wait_for_the_last
from deploy.local.stop_signals import StopRequested, stop_signals

_UP_SECONDS = 360.0
_DOWN_SECONDS = 60.0


def up(run: Callable[[], None]) -> int:
    """Runs the stack until a signal; `run` writes the stack file when it is ready."""
    with stop_signals(), _the_only_one():
        try:
            run()
        except StopRequested:
            return 0
        finally:
            STACK_FILE.unlink(missing_ok=True)
    return 0


def up_detached(argv: Sequence[str] = (sys.executable, "-m", "deploy.local", "up")) -> int:
    """Leaves `up` to a process in a session of its own, and returns when the stack is ready."""
    if pid := running_pid():
        raise LocalStackError(f"the stack runs already (pid {pid}): `make down` ends it")
    STACK_FILE.unlink(missing_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / "up.log"
    with log.open("wb") as output:
        left = subprocess.Popen(
            argv,
            cwd=PROJECT,
            env={**os.environ, "DETACH": ""},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: STACK_FILE.exists() or left.poll() is not None, seconds=_UP_SECONDS)
    except KeyboardInterrupt:
        left.terminate()
        left.wait()
        raise
    print(log.read_text(), end="")
    if left.poll() is not None or not STACK_FILE.exists():
        left.terminate()
        raise LocalStackError(f"the stack did not start; {log} and its neighbours say why")
    print(f"left running (pid {left.pid}): `make logs` follows it, `make down` ends it")
    return 0


def down() -> int:
    """Ends a stack left running, and waits until it is gone."""
    pid = running_pid()
    if pid is None:
        wait_for_the_last(DATA)
        print("the stack is not running")
        return 0
    os.kill(pid, signal.SIGTERM)
    if not wait_until(lambda: running_pid() != pid, seconds=_DOWN_SECONDS):
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: running_pid() != pid, seconds=5)
    wait_for_the_last(DATA)
    print("the stack is down; its data stay in .amcflow until `make clean`")
    return 0


def clean() -> int:
    if pid := running_pid():
        raise LocalStackError(f"the stack is running (pid {pid}): `make down` first")
    remove_volumes(DATA)
    remove_elsewhere(HOME)
    shutil.rmtree(HOME, ignore_errors=True)
    if HOME.exists():
        raise LocalStackError(f"{HOME} could not be removed: some of it belongs to another user")
    print("removed .amcflow")
    return 0


def running_pid() -> int | None:
    """Whoever holds the lock."""
    path = _lock_path()
    if not path.exists():
        return None
    with path.open("r+") as file:
        return None if _lock(file) else int(file.read() or 0) or None


@contextlib.contextmanager
def _the_only_one() -> Iterator[None]:
    HOME.mkdir(parents=True, exist_ok=True)
    with _lock_path().open("a+") as file:
        # `running_pid` of another process holds it for a moment.
        if not wait_until(lambda: _lock(file), seconds=1):
            raise LocalStackError(f"the stack runs already (pid {running_pid()}): `make down`")
        STACK_FILE.unlink(missing_ok=True)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_path() -> Path:
    return HOME / "stack.lock"
