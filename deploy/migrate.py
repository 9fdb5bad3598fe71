"""Brings Postgres and RabbitMQ to what the services expect: `python -m deploy.migrate`.

Upgrades the schema, then declares exchanges and queues; harmless to repeat. Services only verify
both, so this runs before any of them starts. Reads `DATABASE_URL` and `AMQP_URL`. Leaves with 2
if one of them is missing or malformed, with 1 if a server cannot be reached or refuses.
"""

import asyncio
import logging
import sys

from pydantic import Field
from sqlalchemy.exc import DBAPIError

from shared.db.migrate import upgrade
from shared.domain.errors import AmcflowError, DatabaseUnavailable
from shared.messaging.topology import Topology, declare_at
from shared.settings import AmqpUrl, Group, PostgresUrl, read_settings

_PLACES_HINT = "Check that it is up and that {} points to it."


class MigrateSettings(Group):
    """The two servers, with an account each that may create things there."""

    database_url: PostgresUrl = Field(validation_alias="DATABASE_URL")
    amqp_url: AmqpUrl = Field(validation_alias="AMQP_URL")


def migrate(database_url: str, amqp_url: str) -> None:
    """Upgrade the schema, declare the topology; an AmcflowError says which of them failed.

    Not to be called where an event loop runs: Alembic starts one of its own.
    """
    try:
        upgrade(database_url)
    except (OSError, DBAPIError) as error:
        # SQLAlchemy adds the statement and a link below the server's own sentence.
        reason = str(error).partition("\n")[0]
        raise DatabaseUnavailable(
            f"Postgres could not be migrated: {reason}.",
            hint=_PLACES_HINT.format("DATABASE_URL"),
        ) from error
    asyncio.run(declare_at(amqp_url, Topology()))


def main() -> int:
    # The error says it all; without a handler its libraries would write lines of their own.
    logging.getLogger().addHandler(logging.NullHandler())
    settings = read_settings(MigrateSettings, service="migrate")
    try:
        migrate(settings.database_url.get_secret_value(), settings.amqp_url.get_secret_value())
    except AmcflowError as error:
        hint = error.hint or _PLACES_HINT.format("AMQP_URL")
        sys.stderr.write(f"migrate: {error.message} {hint}\n")
        return 1
    except ValueError as error:
        # An address that looks right but cannot be taken apart.
        sys.stderr.write(f"migrate: DATABASE_URL or AMQP_URL: {error}\n")
        return 2
    sys.stdout.write("migrate: the schema is up to date, exchanges and queues are declared\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
