"""Folders of nodes that nobody needs afterwards, and the ones a killed process left behind."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.local.owned import wait_until
from deploy.local.processes import fingerprint, is_alive, kill_quietly, servers_in

_PREFIX = "amcflow-scratch-"
_OWNER = "owner"
# A container's default /dev/shm has 64 MB: a full one breaks Postgres in odd places.
_ENOUGH_BYTES = 1 << 30


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """In memory where there is room; gone afterwards, at the latest at the next start."""
    base = _base()
    sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    (folder / _OWNER).write_text(fingerprint(os.getpid()))
    # The server may run as another user, who has to pass through.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(base: Path) -> list[Path]:
    """Removes our user's scratch folders whose owner is dead, after ending what still uses them."""
    stale = [folder for folder in base.glob(_PREFIX + "*") if _is_stale(folder)]
    for folder in stale:
        end_all_in(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return stale


def end_all_in(folder: Path) -> list[int]:
    """kill -9 to all servers with their data there."""
    users = servers_in(folder)
    for pid in users:
        kill_quietly(pid)
    wait_until(lambda: not any(is_alive(pid) for pid in users), seconds=5)
    return users


def wait_for_the_last(folder: Path, *, seconds: float = 15.0) -> None:
    """After kill -9 of a stack its servers need a moment to end; a new one must not meet them."""
    if not wait_until(lambda: not servers_in(folder), seconds=seconds):
        end_all_in(folder)


def _base() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - the folder made in it is private and unpredictable
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ENOUGH_BYTES:
        return memory
    return Path(tempfile.gettempdir())


def _is_stale(folder: Path) -> bool:
    try:
        if folder.stat().st_uid != os.getuid():
            return False
        pid, _, _ = (owner := (folder / _OWNER).read_text()).partition(" ")
    except OSError:
        return False
    return owner != fingerprint(int(pid))
