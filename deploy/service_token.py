"""Makes a bearer token for the API and shows it once: `python -m deploy.service_token NAME`.

NAME is who asks: executions belong to it, and turns are shared fairly between names. Reads
`DATABASE_URL`; only a hash of the token is stored.
"""

import argparse
import asyncio
import sys

from shared.db.pool import open_database
from shared.db.service_tokens import ServiceTokens
from shared.domain.errors import AmcflowError
from shared.security.service_tokens import hash_service_token, new_service_token
from shared.settings import DatabaseSettings, read_settings


async def issue(database_url: str, name: str) -> str:
    """A token for `name`, stored as a hash. A name that is taken is an error of `shared.db`."""
    token = new_service_token()
    async with open_database(database_url, service="service_token") as database:
        await ServiceTokens(database).create(name, hash_service_token(token))
    return token


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.service_token", description=__doc__)
    parser.add_argument("name", help="who will use the API with it")
    arguments = parser.parse_args()
    settings = read_settings(DatabaseSettings, service="service_token")
    try:
        token = asyncio.run(issue(settings.database_url.get_secret_value(), arguments.name))
    except AmcflowError as error:
        sys.stderr.write(f"service_token: {error.message} {error.hint}\n")
        return 1
    sys.stdout.write(f"{token}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
