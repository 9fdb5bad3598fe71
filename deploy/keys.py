"""Prints fresh secrets in the form of an environment file: `python -m deploy.keys > .env`.

Run it once for each deployment: with other keys than those the database was written with, no
stored token can be opened again. The login at Amazon is the one the simulator knows; whoever sets
`AMC_USE_REAL_API=true` writes their own client id and secret in its place.
"""

import secrets
import sys

from services.simulator.settings import SimulatorSettings
from shared.security.keys import new_stack_keys


def fresh_environment() -> dict[str, str]:
    """Every variable that docker-compose.yml insists on."""
    keys = new_stack_keys()
    simulated = SimulatorSettings.model_fields
    return {
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "RABBITMQ_PASSWORD": secrets.token_hex(24),
        "ENCRYPTION_KEY": keys.access_token_key,
        "REFRESH_TOKEN_KEY": keys.refresh_token_key,
        "SEALING_PUBLIC_KEY": keys.sealing_public_key,
        "SEALING_PRIVATE_KEY": keys.sealing_private_key,
        "AMAZON_CLIENT_ID": simulated["client_id"].default,
        "AMAZON_CLIENT_SECRET": simulated["client_secret"].default.get_secret_value(),
    }


def main() -> int:
    for name, value in fresh_environment().items():
        sys.stdout.write(f"{name}={value}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
