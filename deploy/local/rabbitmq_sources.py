"""Decides which RabbitMQ a private node runs, before anything is downloaded or installed."""

from collections.abc import Callable
from dataclasses import dataclass

from deploy.local.problems import LocalStackError
from deploy.local.rabbitmq import RabbitmqBinaries
from deploy.local.rabbitmq_binaries import find_system_rabbitmq


@dataclass(frozen=True, slots=True)
class RabbitmqSource:
    """`get` may take a minute and need the network."""

    described: str
    get: Callable[[], RabbitmqBinaries]


def rabbitmq_source(wanted: str, variable: str) -> RabbitmqSource:
    """`wanted` (from AMCFLOW_RABBITMQ): empty for the best one here, or its name."""
    found = find_system_rabbitmq()
    if found is not None:
        return RabbitmqSource(f"{found.version} (private node, system)", lambda: found)
    raise LocalStackError(
        f"RabbitMQ is missing: install Debian's `rabbitmq-server`, or set {variable}."
    )
