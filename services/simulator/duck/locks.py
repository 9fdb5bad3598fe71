"""Locks between processes, kept in small files; the system lets go of what a dead process held."""

import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class FileLock:
    """One holder's lock, shared or alone. Two in one process exclude each other as well."""

    path: Path
    _descriptor: int | None = field(default=None, init=False)

    def take(self, *, shared: bool) -> bool:
        """At once or not at all; False if somebody is in the way."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        # The file may have been removed since it was opened: then the lock guards nothing.
        if not self._is_still(descriptor):
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Harmless for one that is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Releases a lock that is held alone, with its file."""
        self.path.unlink(missing_ok=True)
        self.release()

    def _is_still(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False
