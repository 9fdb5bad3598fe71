"""A service that cannot work says why in one line and does not stay."""

import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.paths import PROJECT
from deploy.local.ports import free_ports
from deploy.local.rabbitmq import RabbitmqNode
from deploy.local.stack import RunningStack

SECRETS = {
    "api": {"SEALING_PUBLIC_KEY"},
    "submitter": {"ENCRYPTION_KEY"},
    "poller": {"ENCRYPTION_KEY"},
    "downloader": {"ENCRYPTION_KEY"},
    "token_refresher": {"ENCRYPTION_KEY", "REFRESH_TOKEN_KEY", "SEALING_PRIVATE_KEY"},
    "scheduler": set(),
}
SERVICES = tuple(SECRETS)
FOR_REAL = {
    "submitter": {"AMAZON_CLIENT_ID"},
    "poller": {"AMAZON_CLIENT_ID"},
    "downloader": {"AMAZON_CLIENT_ID"},
    "token_refresher": {"AMAZON_CLIENT_ID", "AMAZON_CLIENT_SECRET"},
}
SECONDS = 15
EMPTY_VHOST = "nothing-declared"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process that was started wrongly ended."""

    code: int
    out: str
    lines: list[str]
    """Of its stderr, those for people: without the log."""


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts services in an empty folder, with nothing in the environment but what is given."""

    folder: Path
    complete: Mapping[str, str]

    def settings(self, service: str) -> dict[str, str]:
        names = {"DATABASE_URL", "AMQP_URL", *SECRETS[service]}
        return {name: self.complete[name] for name in names}

    def start(self, service: str, environment: Mapping[str, str], *flags: str) -> Ended:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-m", f"services.{service}", *flags],
            env={**kept, "PYTHONPATH": str(PROJECT), "AMCFLOW_API_PORT": "0", **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        return Ended(done.returncode, done.stdout, lines)

    def start_all(self, environments: Mapping[str, Mapping[str, str]], *flags: str):
        """Side by side, as many as there are cores."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            started = {
                service: pool.submit(self.start, service, environment, *flags)
                for service, environment in environments.items()
            }
            return {service: each.result() for service, each in started.items()}


@pytest.fixture(scope="module")
def starter(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Starter:
    secrets = stack.secrets
    return Starter(
        tmp_path_factory.mktemp("empty"),
        {
            "DATABASE_URL": stack.found.database_url,
            "AMQP_URL": stack.found.amqp_url,
            "ENCRYPTION_KEY": secrets.access_token_key,
            "REFRESH_TOKEN_KEY": secrets.refresh_token_key,
            "SEALING_PRIVATE_KEY": secrets.sealing_private_key,
            "SEALING_PUBLIC_KEY": secrets.sealing_public_key,
        },
    )


def test_every_missing_setting_is_named(starter: Starter):
    ended = starter.start_all({service: {} for service in SERVICES})

    for service, each in ended.items():
        names = {"DATABASE_URL", "AMQP_URL", *SECRETS[service]}
        assert set(each.lines) == {f"{service}: {name}: is not set" for name in names}
        assert each.code == 2


def test_check_accepts_complete_settings_without_reaching_for_anything(starter: Starter):
    settings = {
        service: {**starter.settings(service), "DATABASE_URL": "postgresql://nobody@192.0.2.1/x"}
        for service in SERVICES
    }

    ended = starter.start_all(settings, "--check")

    assert {each.code for each in ended.values()} == {0}
    assert all(each.out == f"{name}: settings are complete\n" for name, each in ended.items())


def test_the_real_api_needs_its_secrets_and_each_missing_one_is_named(starter: Starter):
    ended = starter.start_all(
        {service: {**starter.settings(service), "AMC_USE_REAL_API": "true"} for service in FOR_REAL}
    )

    for service, each in ended.items():
        (line,) = each.lines
        assert each.code == 2
        assert line.startswith(f"{service}: ")
        assert all(name in line for name in FOR_REAL[service])


def test_a_database_out_of_reach_is_said_in_one_line(starter: Starter):
    (port,) = free_ports(1)
    url = f"postgresql://amcflow:secret@127.0.0.1:{port}/amcflow"

    ended = starter.start_all(
        {service: {**starter.settings(service), "DATABASE_URL": url} for service in SERVICES}
    )

    assert_one_line(ended, "Postgres", "DATABASE_URL")


def test_a_broker_out_of_reach_is_said_in_one_line(starter: Starter):
    (port,) = free_ports(1)
    url = f"amqp://amcflow:secret@127.0.0.1:{port}/"

    ended = starter.start_all(
        {service: {**starter.settings(service), "AMQP_URL": url} for service in SERVICES}
    )

    assert_one_line(ended, "RabbitMQ", f"127.0.0.1:{port}")


@pytest.fixture(scope="module")
def empty_vhost(stack: RunningStack) -> str:
    """A broker where nobody ran the migration step."""
    node = stack.found.rabbitmq
    if not isinstance(node, RabbitmqNode):
        pytest.skip("only a RabbitMQ that was started here can be given another virtual host")
    user = node.state.user
    for arguments in (
        ("add_vhost", EMPTY_VHOST),
        ("set_permissions", "-p", EMPTY_VHOST, user, ".*", ".*", ".*"),
    ):
        argv, environment = node.control(*arguments)
        subprocess.run(argv, env=environment, cwd=node.folder, check=True, capture_output=True)
    return f"{node.url}{EMPTY_VHOST}"


def test_undeclared_queues_are_said_in_one_line(starter: Starter, empty_vhost: str):
    ended = starter.start_all(
        {service: {**starter.settings(service), "AMQP_URL": empty_vhost} for service in SERVICES}
    )

    assert_one_line(ended, "migrat")


def test_a_key_that_is_none_is_said_without_showing_it(starter: Starter):
    settings = {**starter.settings("submitter"), "ENCRYPTION_KEY": "not-a-fernet-key"}

    ended = starter.start("submitter", settings)

    (line,) = ended.lines
    assert ended.code == 2
    assert "ENCRYPTION_KEY" in line
    assert "not-a-fernet-key" not in line


def assert_one_line(ended: Mapping[str, Ended], *words: str) -> None:
    for service, each in ended.items():
        (line,) = each.lines
        assert each.code == 1, service
        assert line.startswith(f"{service}: ")
        assert all(word in line for word in words), line
        assert "secret" not in line
