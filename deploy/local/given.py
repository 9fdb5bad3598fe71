"""Servers that somebody else runs, at an address found in the environment."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg

from deploy.local.databases import server_version
from deploy.local.handshake import broker_version
from deploy.local.problems import LocalStackError


@dataclass(frozen=True, slots=True)
class GivenPostgres:
    """Used as it is, neither started nor stopped."""

    variable: str
    url: str

    def launch(self) -> None:
        return

    def wait_ready(self) -> None:
        try:
            server_version(self.url)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise LocalStackError(
                f"{self.variable} is set but Postgres does not answer there"
                f" ({type(error).__name__} {error}): correct it, or unset it to get a private one."
            ) from error

    def stop(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class GivenRabbitmq:
    """Used as it is, neither started nor stopped."""

    variable: str
    url: str

    def launch(self) -> None:
        return

    def wait_ready(self) -> None:
        """Behind TLS the address is believed; the services say so if it is wrong."""
        parts = urlsplit(self.url)
        if parts.scheme == "amqps":
            return
        if broker_version(parts.hostname or "127.0.0.1", parts.port or 5672) is None:
            raise LocalStackError(
                f"{self.variable} is set but no AMQP broker answers there:"
                " correct it, or unset it to get a private one."
            )

    def stop(self) -> None:
        return
