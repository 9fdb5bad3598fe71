"""Where invented data are kept when nobody says where: in the user's cache, so that they are made
once, or in the system's folder for temporary files if the user has no home to write to.
"""

import os
import tempfile
from pathlib import Path

_NAME = "amcflow-simulator"


def data_folder() -> Path:
    """`$XDG_CACHE_HOME/amcflow-simulator` or `~/.cache/amcflow-simulator`; nothing is made here."""
    cache = _cache()
    if cache is None:
        return Path(tempfile.gettempdir()) / _NAME
    return cache / _NAME


def _cache() -> Path | None:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        cache = given if given.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    nearest = cache if cache.exists() else cache.parent
    return cache if os.access(nearest, os.W_OK | os.X_OK) else None
