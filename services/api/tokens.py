"""Makes and revokes bearer tokens: `python -m services.api.tokens create|revoke NAME`.

The token is printed once, alone on stdout; only its hash is stored. Its name becomes the owner of
whatever is asked for with it.
"""

import argparse
import asyncio
import sys

from shared.db.pool import open_database
from shared.db.service_tokens import ServiceTokens
from shared.domain.errors import AmcflowError
from shared.security.service_tokens import hash_service_token, new_service_token
from shared.settings import DatabaseSettings, read_settings


async def create(database_url: str, name: str) -> str:
    """The new token; AlreadyExists if the name is taken."""
    token = new_service_token()
    async with open_database(database_url, service="api tokens") as database:
        await ServiceTokens(database).create(name, hash_service_token(token))
    return token


async def revoke(database_url: str, name: str) -> bool:
    """Whether there was one."""
    async with open_database(database_url, service="api tokens") as database:
        return await ServiceTokens(database).revoke(name)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m services.api.tokens", description=__doc__)
    parser.add_argument("action", choices=["create", "revoke"])
    parser.add_argument("name")
    arguments = parser.parse_args()
    if not arguments.name.strip():
        parser.error("NAME is empty")
    url = read_settings(DatabaseSettings, service="api.tokens").database_url.get_secret_value()
    try:
        if arguments.action == "create":
            sys.stdout.write(asyncio.run(create(url, arguments.name)) + "\n")
        elif not asyncio.run(revoke(url, arguments.name)):
            sys.stderr.write(f"api.tokens: there is no token named {arguments.name!r}\n")
            return 1
    except AmcflowError as error:
        sys.stderr.write(f"api.tokens: {error.message} {error.hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
