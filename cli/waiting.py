"""Waiting for something that ends by itself."""

from typing import Final

from cli.api import Refused

LOOK_SECONDS: Final = 1.0


class WaitedTooLong(Refused):
    """It goes on; only the waiting has ended."""

    exit_code = 4
