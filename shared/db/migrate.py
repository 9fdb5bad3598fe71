"""Brings the schema to a revision: `python -m shared.db.migrate [up|down|current] [revision]`.

Reads `DATABASE_URL`. Refuses to do anything without it. Declaring the broker's topology is the
deployment's other half; `deploy/local` and the container run both before any service starts.
"""

import argparse
import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"


def configuration(database_url: str) -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the schema up to `revision`; does nothing when it is there."""
    command.upgrade(configuration(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Take the schema back to `revision`, or `base` for nothing at all."""
    command.downgrade(configuration(database_url), revision)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m shared.db.migrate", description=__doc__)
    parser.add_argument("action", nargs="?", choices=["up", "down", "current"], default="up")
    parser.add_argument("revision", nargs="?")
    arguments = parser.parse_args()
    database_url = os.environ.get("DATABASE_URL", "")
    if not database_url:
        sys.stderr.write("migrate: DATABASE_URL is not set; give the database to migrate.\n")
        return 2
    if arguments.action == "up":
        upgrade(database_url, arguments.revision or "head")
    elif arguments.action == "down":
        downgrade(database_url, arguments.revision or "-1")
    else:
        command.current(configuration(database_url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
