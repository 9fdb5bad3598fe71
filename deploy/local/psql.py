"""A SQL prompt on the stack's database, with whatever psql there is."""

import os
import shutil
import subprocess
from urllib.parse import unquote, urlsplit

from deploy.local.postgres import find_postgres
from deploy.local.problems import LocalStackError


def open_psql(database_url: str) -> int:
    """The password goes through the environment, where other users do not see it."""
    env = {**os.environ, **psql_login(database_url)}
    return subprocess.run([find_psql()], env=env, check=False).returncode


def find_psql() -> str:
    """The program: the one beside the server we start, else the machine's; or LocalStackError."""
    found = find_postgres()
    beside = found.folder / "psql" if found else None
    program = str(beside) if beside and beside.exists() else shutil.which("psql")
    if program is None:
        raise LocalStackError("psql is missing: install Debian's `postgresql-client`")
    return program


def psql_login(database_url: str) -> dict[str, str]:
    """The variables by which psql finds a database and is let in."""
    url = urlsplit(database_url)
    return {
        "PGHOST": url.hostname or "",
        "PGPORT": str(url.port or 5432),
        "PGUSER": unquote(url.username or ""),
        "PGPASSWORD": unquote(url.password or ""),
        "PGDATABASE": url.path.removeprefix("/"),
    }
