"""A real Postgres and a real RabbitMQ for the tests that ask for them.

They are found or started by the code `make up` uses, without fsync. Each pytest-xdist worker
has servers of its own. What cannot be had is a failure that says what to do, not a skip.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.backends import (
    FOR_TESTS,
    AddressNames,
    Choice,
    choose_postgres,
    choose_rabbitmq,
    private_rabbitmq4,
    started,
)
from deploy.local.problems import LocalStackError, NamespacesRefusedError
from deploy.local.profiles import FAST
from deploy.local.scratch import scratch_folder


def pytest_report_header() -> list[str]:
    lines = []
    for choose in (choose_postgres, choose_rabbitmq):
        try:
            lines.append(f"backend: {choose(FOR_TESTS).described}")
        except LocalStackError as error:
            lines.append(f"backend: {error}")
    return lines


@pytest.fixture(scope="session")
def backend_folder() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_server(backend_folder: Path) -> Iterator[str]:
    """The URL of a database on a server where we may create others."""
    yield from _url(choose_postgres, backend_folder)


@pytest.fixture(scope="session")
def rabbitmq_url(backend_folder: Path) -> Iterator[str]:
    yield from _url(choose_rabbitmq, backend_folder)


@pytest.fixture(scope="session")
def rabbitmq4_url(backend_folder: Path) -> Iterator[str]:
    """RabbitMQ 4, whatever the machine has: messaging tests run against both.

    The one thing that is skipped, with its reason: a kernel without user namespaces has no remedy.
    """
    if given := os.environ.get("AMCFLOW_TEST_AMQP4_URL"):
        yield given
        return
    yield from _url(lambda _: Choice("RabbitMQ 4", private_rabbitmq4), backend_folder)


def _url(choose: Callable[[AddressNames], Choice], folder: Path) -> Iterator[str]:
    try:
        with started(choose(FOR_TESTS).open(folder, FAST)) as server:
            yield server.url
    except NamespacesRefusedError as error:
        pytest.skip(f"{error}: set AMCFLOW_TEST_AMQP4_URL to a RabbitMQ 4")
    except LocalStackError as error:
        pytest.fail(str(error), pytrace=False)
