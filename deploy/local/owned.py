"""Processes that cannot outlive the one that started them, not even after kill -9.

The kernel signals a child when the *thread* that forked it ends, so every child is forked by one
thread that lives as long as this process; callers may come from any thread or event loop.
"""

import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from signal import Signals

from deploy.local.processes import FOLDER_MARK, descendants, group_of, is_alive, kill_quietly

# The parent may die between fork and prctl; then nobody would ever send the signal.
_REFUSE_IF_ORPHANED = '[ "$PPID" = "$0" ] || exit 1; exec "$@"'
# Some programs lose a signal that comes while they start; ready ones get time to end well.
_MAKE_SURE = """
tail -s 0.2 --pid="$1" -f /dev/null
[ -e "$3" ] && timeout 10 tail -s 0.2 --pid="$2" -f /dev/null && exit
kill -KILL "$2"
"""

_orders: "queue.SimpleQueue[Callable[[], None]]" = queue.SimpleQueue()
_start_lock = threading.Lock()
_forking_thread: threading.Thread | None = None


class OwnedProcess:
    """One child in its own session, whose output goes to a log file."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen
        self._is_buried = False

    @property
    def pid(self) -> int:
        return self._popen.pid

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._popen.poll()

    def signal(self, number: Signals) -> None:
        self._popen.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """True when it ended within that time."""
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, number: Signals, grace_seconds: float) -> int:
        """Asks, waits, then kills what is left of the family; the exit code."""
        if self.poll() is None:
            self.signal(number)
            self.wait(grace_seconds)
        return self.kill()

    def kill(self) -> int:
        """Ends it and all its descendants at once, as a power cut would."""
        if self._is_buried:
            return self._popen.wait()
        # Children of a leader that is gone are no descendants of it, but still in its group.
        family = {*descendants(self._popen.pid), *group_of(self._popen.pid)}
        if self.poll() is None:
            family.add(self._popen.pid)
        for pid in family:
            kill_quietly(pid)
        code = self._popen.wait()
        self._is_buried = True
        wait_until(lambda: not any(is_alive(pid) for pid in family), seconds=10)
        return code


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str],
    death_signal: str = "KILL",
    identity: Sequence[str] = (),
) -> OwnedProcess:
    """Starts a child that gets `death_signal` when this process ends.

    `identity` is a command prefix that changes the user; a change of user clears the death
    signal, so it comes first.
    """
    command = [*identity, *_tied_to_parent(death_signal), *argv]
    answer: Future[OwnedProcess] = Future()

    def fork() -> None:
        try:
            with log.open("ab") as output:
                popen = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env={**env, FOLDER_MARK: str(cwd)},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            answer.set_exception(error)
        else:
            answer.set_result(OwnedProcess(popen))

    _ensure_forking_thread()
    _orders.put(fork)
    return answer.result()


def make_sure_it_ends(pid: int, *, ready: Path, log: Path, cwd: Path) -> OwnedProcess:
    """A companion that, after our end, kills `pid` at once, or later if `ready` exists."""
    with log.open("ab") as output:
        popen = subprocess.Popen(
            ["sh", "-c", _MAKE_SURE, "make-sure", str(os.getpid()), str(pid), str(ready)],
            cwd=cwd,
            env={**os.environ, FOLDER_MARK: str(cwd)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return OwnedProcess(popen)


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Polls every 20 ms; False when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _tied_to_parent(death_signal: str) -> list[str]:
    if shutil.which("setpriv") is None:
        return []
    guard = ["sh", "-c", _REFUSE_IF_ORPHANED, str(os.getpid())]
    return ["setpriv", f"--pdeathsig={death_signal}", "--", *guard]


def _ensure_forking_thread() -> None:
    global _forking_thread  # noqa: PLW0603 - one per process, by the kernel's rule above
    with _start_lock:
        if _forking_thread is None or not _forking_thread.is_alive():
            _forking_thread = threading.Thread(target=_fork_forever, name="forker", daemon=True)
            _forking_thread.start()


def _fork_forever() -> None:
    while True:
        _orders.get()()
