"""Prints fresh secrets in the form of an environment file: `python -m deploy.keys > .env`.

Run it once for each deployment. With other keys than those the database was written with, no
stored token can be opened again.
"""

import secrets
import sys

from shared.security.keys import new_stack_keys

# Read by docker-compose.yml alone: passwords of the two servers, and what Amazon gives out but the
# simulator accepts from anybody who was told the same.
_SIMULATED_CLIENT_ID = "amzn1.application-oa2-client.compose00000000000000000000000000"


def fresh_environment() -> dict[str, str]:
    """Every variable that docker-compose.yml insists on, with a value of its own."""
    keys = new_stack_keys()
    return {
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "RABBITMQ_PASSWORD": secrets.token_hex(24),
        "ENCRYPTION_KEY": keys.access_token_key,
        "REFRESH_TOKEN_KEY": keys.refresh_token_key,
        "SEALING_PUBLIC_KEY": keys.sealing_public_key,
        "SEALING_PRIVATE_KEY": keys.sealing_private_key,
        "AMAZON_CLIENT_ID": _SIMULATED_CLIENT_ID,
        "AMAZON_CLIENT_SECRET": secrets.token_hex(24),
    }


def main() -> int:
    for name, value in fresh_environment().items():
        sys.stdout.write(f"{name}={value}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
