"""What the kernel knows about processes, by pid."""

import contextlib
import os
from pathlib import Path
from signal import SIGKILL

import psutil

FOLDER_MARK = "AMCFLOW_NODE_FOLDER"


def descendants(pid: int) -> list[int]:
    """Children, their children and so on."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def group_of(leader: int) -> list[int]:
    """Members of the process group that this process founded, even when it is gone."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == leader:
                found.append(pid)
    return found


def is_alive(pid: int) -> bool:
    """False for a zombie too: it holds no port and no file."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def fingerprint(pid: int) -> str:
    """A pid alone is reused, with its start time it is unique; empty when there is none."""
    try:
        return f"{pid} {psutil.Process(pid).create_time()}"
    except psutil.NoSuchProcess:
        return ""


def servers_in(folder: Path) -> list[int]:
    """Our servers with their data below this folder; never a shell that happens to be there."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if Path(_folder_of(process)).is_relative_to(folder):
                found.append(process.pid)
    return found


def _folder_of(process: psutil.Process) -> str:
    """Postgres overwrites its environment, and in a chroot the current folder means nothing."""
    if process.name() == "postgres":
        return str(process.cwd())
    return str(process.environ().get(FOLDER_MARK, "/"))


def kill_quietly(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, SIGKILL)
