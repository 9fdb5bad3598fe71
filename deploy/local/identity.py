"""Postgres refuses to run as root: here is the command prefix that makes it somebody else.

A user namespace that maps root to `nobody` needs no chown and sees files under a closed home.
Where the machine refuses namespaces (a container with the default seccomp rules), setpriv to the
real `nobody` does, with files that this user can reach.
"""

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who runs Postgres; `real_nobody` means that files must belong to and be reachable by it."""

    prefix: tuple[str, ...] = ()
    real_nobody: bool = False

    def can_enter(self, folder: Path) -> bool:
        return not self.real_nobody or _succeeds([*_NOBODY, "test", "-x", str(folder)])

    def own(self, folder: Path) -> None:
        """Gives the folder and what is in it to the one who will use it."""
        if not self.real_nobody:
            return
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, "nobody", "nogroup")


@functools.cache
def postgres_identity() -> Identity:
    if os.geteuid() != 0:
        return Identity()
    if _succeeds([*_NAMESPACE, "true"]):
        return Identity(_NAMESPACE)
    return NOBODY


NOBODY = Identity(_NOBODY, real_nobody=True)


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
