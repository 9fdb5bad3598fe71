"""Postgres and RabbitMQ as containers of a Docker engine, removed with the process."""

import functools
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from deploy.local.databases import server_version
from deploy.local.handshake import broker_version
from deploy.local.node_state import load_state
from deploy.local.owned import wait_until
from deploy.local.ports import free_ports
from deploy.local.problems import LocalStackError
from deploy.local.profiles import Profile

POSTGRES_IMAGE = "postgres:17-bookworm"
RABBITMQ_IMAGE = "rabbitmq:4.1-alpine"
_START_SECONDS = 120.0


@functools.cache
def engine_answers() -> bool:
    """A docker command alone is not enough: its engine has to answer."""
    if shutil.which("docker") is None:
        return False
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=10)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


@dataclass(slots=True)
class ContainerServer:
    """One container on a loopback port; its data live as long as it does, or in a volume."""

    image: str
    inner_port: int
    url_pattern: str
    environment: dict[str, str]
    answers: Callable[[str], bool]
    command: str = ""
    volume: tuple[str, str] | None = None
    port: int = field(default_factory=lambda: free_ports(1)[0])
    _container: Any = None

    @property
    def url(self) -> str:
        return self.url_pattern.format(port=self.port)

    def launch(self) -> None:
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - slow to import

        container = DockerContainer(self.image)
        if self.command:
            container.with_command(self.command)
        ports: Any = container.ports  # typed for a port alone, which would be open to the network
        ports[f"{self.inner_port}/tcp"] = ("127.0.0.1", self.port)
        for name, value in self.environment.items():
            container.with_env(name, value)
        if self.volume is not None:
            container.with_volume_mapping(*self.volume, "rw")
        self._container = container
        container.start()

    def wait_ready(self) -> None:
        if not wait_until(lambda: self.answers(self.url), seconds=_START_SECONDS):
            self.stop()
            raise LocalStackError(f"the container of {self.image} does not answer")

    def stop(self) -> None:
        if self._container is not None:
            self._container.stop(delete_volume=self.volume is None)
            self._container = None


def postgres(folder: Path, profile: Profile) -> ContainerServer:
    state = load_state(folder / "postgres-container", port_count=1)
    # The container listens inside its own network, and keeps its socket for its own start script.
    outside = ("listen_addresses", "unix_socket_directories")
    settings = {k: v for k, v in profile.postgres_settings.items() if k not in outside}
    return ContainerServer(
        image=POSTGRES_IMAGE,
        inner_port=5432,
        url_pattern=f"postgresql://{state.user}:{state.password}@127.0.0.1:{{port}}/amcflow",
        environment={
            "POSTGRES_USER": state.user,
            "POSTGRES_PASSWORD": state.password,
            "POSTGRES_DB": "amcflow",
        },
        answers=_postgres_answers,
        command=" ".join(["postgres", *(f"-c {k}={v}" for k, v in settings.items())]),
        volume=_volume(folder, "postgres", "/var/lib/postgresql/data", keep=profile.syncs),
        port=state.ports[0],
    )


def rabbitmq(folder: Path, profile: Profile) -> ContainerServer:
    state = load_state(folder / "rabbitmq-container", port_count=1)
    return ContainerServer(
        image=RABBITMQ_IMAGE,
        inner_port=5672,
        url_pattern=f"amqp://{state.user}:{state.password}@127.0.0.1:{{port}}/",
        environment={
            "RABBITMQ_DEFAULT_USER": state.user,
            "RABBITMQ_DEFAULT_PASS": state.password,
            "RABBITMQ_NODENAME": "amcflow@localhost",
        },
        answers=_rabbitmq_answers,
        volume=_volume(folder, "rabbitmq", "/var/lib/rabbitmq", keep=profile.syncs),
        port=state.ports[0],
    )


def volume_name(folder: Path, service: str) -> str:
    """One volume per data folder; `clean` removes it with the folder."""
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    return f"amcflow-{service}-{digest}"


def remove_volumes(folder: Path) -> None:
    if engine_answers():
        names = [volume_name(folder, service) for service in ("postgres", "rabbitmq")]
        subprocess.run(["docker", "volume", "rm", "-f", *names], capture_output=True, check=False)


def _volume(folder: Path, service: str, target: str, *, keep: bool) -> tuple[str, str] | None:
    return (volume_name(folder, service), target) if keep else None


def _postgres_answers(url: str) -> bool:
    try:
        server_version(url)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


def _rabbitmq_answers(url: str) -> bool:
    return broker_version("127.0.0.1", urlsplit(url).port or 5672) is not None
