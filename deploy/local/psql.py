"""A SQL prompt on the stack's database, with whatever psql there is."""

import os
import shutil
import subprocess
from urllib.parse import unquote, urlsplit

from deploy.local.postgres import find_postgres
from deploy.local.problems import LocalStackError


def open_psql(database_url: str) -> int:
    """The password goes through the environment, where other users do not see it."""
    found = find_postgres()
    beside = found.folder / "psql" if found else None
    program = str(beside) if beside and beside.exists() else shutil.which("psql")
    if program is None:
        raise LocalStackError("psql is missing: install Debian's `postgresql-client`")
    url = urlsplit(database_url)
    login = {
        "PGHOST": url.hostname or "",
        "PGPORT": str(url.port or 5432),
        "PGUSER": unquote(url.username or ""),
        "PGPASSWORD": unquote(url.password or ""),
        "PGDATABASE": url.path.removeprefix("/"),
    }
    return subprocess.run([program], env={**os.environ, **login}, check=False).returncode
