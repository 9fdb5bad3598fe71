"""The whole system on one machine: servers, schema, keys, the simulator and every service.

`make up`, `make demo` and the end-to-end tests all start it here. Each service is a process of
its own and gets in its environment what it needs and no more, as it would in production.
"""

import json
import os
import re
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.error import URLError

from deploy.local.backends import Found, backends
from deploy.local.node_state import write_private
from deploy.local.paths import DATA, HOME, LOGS, PROJECT
from deploy.local.ports import free_ports, is_free
from deploy.local.profiles import DURABLE, Profile
from deploy.local.readiness import answers_http
from deploy.local.stack_file import StackFile, write_stack_file
from deploy.local.supervisor import Patience, ProcessSpec, Supervisor
from deploy.migrate import migrate as bring_up_to_date
from shared.security.keys import new_stack_keys
from shared.security.service_tokens import new_service_token

_API_PORT = 8000
_SIMULATOR_PORT = 8090
_WORKERS = ("submitter", "poller", "downloader", "token_refresher", "scheduler")
_CONSUMES = re.compile(r"^amcflow_consumer_up\{[^}]*\} 1\.0$", re.MULTILINE)

CLIENT_ID = "amzn1.application-oa2-client.local0000000000000000000000000000"
REFRESH_TOKEN = "Atzr|sim-local-stack"  # noqa: S105 (known to the simulator alone)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made once for each data folder, kept in a file of mode 0600."""

    access_token_key: str
    refresh_token_key: str
    sealing_public_key: str
    sealing_private_key: str
    client_secret: str
    service_token: str

    @classmethod
    def kept_in(cls, folder: Path) -> "Secrets":
        """Those of this folder; made at the first start."""
        path = folder / "secrets.json"
        if path.exists():
            return cls(**json.loads(path.read_text()))
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(
            **asdict(new_stack_keys()),
            client_secret=f"local-{new_service_token()}",
            service_token=new_service_token(),
        )
        write_private(path, json.dumps(asdict(made)))
        return made


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the services find the servers and Amazon."""

    database_url: str
    amqp_url: str
    simulator_url: str


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What differs between `up`, the demo and the tests."""

    replicas: int = 1
    apis: int = 1
    folder: Path = DATA
    logs: Path = LOGS
    profile: Profile = DURABLE
    simulator: Mapping[str, str] = field(default_factory=dict)
    """Settings of the simulator, without their prefix, such as TIME_SCALE."""
    services: Mapping[str, str] = field(default_factory=dict)
    """Settings of all services."""
    of_replica: Callable[[str, int], Mapping[str, str]] = lambda _name, _number: {}
    """Settings of one process, asked for again each time it starts."""
    detour: Callable[[Addresses], Addresses] = lambda direct: direct
    """What the services get in place of the direct addresses: a test's proxies."""
    patience: Patience = field(default_factory=Patience)
    fixed_ports: bool = True
    token_name: str = "local"  # noqa: S105 (a name)


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that answers."""

    api_urls: Sequence[str]
    simulator_url: str
    found: Found
    secrets: Secrets
    supervisor: Supervisor

    @property
    def api_url(self) -> str:
        """The first API; all of them are alike."""
        return self.api_urls[0]

    def as_file(self) -> StackFile:
        """What other programs need to reach it."""
        return StackFile(
            api_url=self.api_url,
            token=self.secrets.service_token,
            database_url=self.found.database_url,
            amqp_url=self.found.amqp_url,
            simulator_url=self.simulator_url,
            processes=self.supervisor.pids(),
        )


@contextmanager
def running_stack(
    options: StackOptions, *, say: Callable[[str], None] = lambda _: None
) -> Iterator[RunningStack]:
    """Start everything in order and wait until it works; stop everything at the end."""
    options.folder.mkdir(parents=True, exist_ok=True)
    with backends(folder=options.folder, profile=options.profile, say=say) as found:
        secrets = Secrets.kept_in(options.folder)
        say("migrating the schema, declaring exchanges and queues")
        bring_up_to_date(found.database_url, found.amqp_url)
        _store_token(found.database_url, secrets, options.token_name)
        composition = Composition(options, found, secrets, *_ports(options))
        say(f"starting the simulator and {len(_WORKERS) + 1} services")
        with Supervisor(
            composition.processes(), logs=options.logs, cwd=PROJECT, patience=options.patience
        ) as supervisor:
            yield RunningStack(
                composition.api_urls, composition.simulator_url, found, secrets, supervisor
            )


@dataclass(frozen=True, slots=True)
class Composition:
    """Which processes, with which environment."""

    options: StackOptions
    found: Found
    secrets: Secrets
    simulator_port: int
    api_ports: Sequence[int]
    metrics_ports: Sequence[int]

    @property
    def api_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.api_ports]

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.simulator_port}"

    @property
    def seen(self) -> Addresses:
        """The addresses that the services are given."""
        found = self.found
        return self.options.detour(
            Addresses(found.database_url, found.amqp_url, self.simulator_url)
        )

    def processes(self) -> list[ProcessSpec]:
        """The simulator first, the API last: when it answers, everything behind it works."""
        return [
            self._process(
                "simulator",
                lambda _: self._simulator(),
                lambda _: _answers(self.simulator_url, "simulator"),
            ),
            *(self._worker(number, name) for number, name in enumerate(_WORKERS)),
            self._process(
                "api",
                self._api,
                lambda replica: _answers(self.api_urls[replica], "api"),
                replicas=self.options.apis,
            ),
        ]

    def _worker(self, number: int, name: str) -> ProcessSpec:
        replicas = self.options.replicas
        ports = self.metrics_ports[number * replicas : (number + 1) * replicas]
        environment = {**self._common(), **self._of(name)}
        return self._process(
            name,
            lambda replica: {**environment, "AMCFLOW_METRICS_PORT": str(ports[replica])},
            lambda replica: _consumes(ports[replica]),
            replicas=replicas,
        )

    def _process(
        self,
        name: str,
        environment: Callable[[int], Mapping[str, str]],
        ready: Callable[[int], bool],
        *,
        replicas: int = 1,
    ) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            argv=(sys.executable, "-m", f"services.{name}"),
            env_of=lambda replica: {
                **environment(replica),
                **self.options.of_replica(name, replica),
            },
            replicas=replicas,
            ready=ready,
        )

    def _base(self) -> dict[str, str]:
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
        base = {name: os.environ[name] for name in kept if name in os.environ}
        return {**base, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def _common(self) -> dict[str, str]:
        return {
            **self._base(),
            "DATABASE_URL": self.seen.database_url,
            "AMQP_URL": self.seen.amqp_url,
            **self.options.services,
        }

    def _amazon(self) -> dict[str, str]:
        return {"AMAZON_CLIENT_ID": CLIENT_ID, "AMCFLOW_SIMULATOR_URL": self.seen.simulator_url}

    def _of(self, name: str) -> dict[str, str]:
        if name == "scheduler":
            return {}
        if name != "token_refresher":
            return {**self._amazon(), "ENCRYPTION_KEY": self.secrets.access_token_key}
        return {
            **self._amazon(),
            "ENCRYPTION_KEY": self.secrets.access_token_key,
            "REFRESH_TOKEN_KEY": self.secrets.refresh_token_key,
            "SEALING_PRIVATE_KEY": self.secrets.sealing_private_key,
            "AMAZON_CLIENT_SECRET": self.secrets.client_secret,
        }

    def _api(self, replica: int) -> dict[str, str]:
        return {
            **self._common(),
            "SEALING_PUBLIC_KEY": self.secrets.sealing_public_key,
            "AMCFLOW_API_HOST": "127.0.0.1",
            "AMCFLOW_API_PORT": str(self.api_ports[replica]),
        }

    def _simulator(self) -> dict[str, str]:
        told = {
            "HOST": "127.0.0.1",
            "PORT": str(self.simulator_port),
            "CLIENT_ID": CLIENT_ID,
            "CLIENT_SECRET": self.secrets.client_secret,
            "REFRESH_TOKENS": REFRESH_TOKEN,
            # Beside the data of the stack: the next demo, whose folder is new, finds it there.
            "DATA_FOLDER": str(HOME / "simulator"),
            **self.options.simulator,
        }
        return {
            **self._base(),
            **{f"AMCFLOW_SIMULATOR_{name}": value for name, value in told.items()},
        }


def run(*, replicas: int = 1) -> None:
    """`make up`: until a signal ends it."""
    from deploy.local.welcome import welcome  # noqa: PLC0415 (it speaks HTTP; `down` does not)

    options = StackOptions(replicas=replicas, simulator={"TIME_SCALE": "10"})
    with running_stack(options, say=_say) as stack:
        welcome(stack, say=_say)
        write_stack_file(stack.as_file())
        while True:
            _wait_for_signal()


def migrate(database_url: str) -> int:
    """Bring a running stack's database to the newest schema."""
    from shared.db.migrate import upgrade  # noqa: PLC0415 (the rest of this module needs none)

    upgrade(database_url)
    return 0


def _wait_for_signal() -> None:
    import signal  # noqa: PLC0415

    signal.pause()


def _say(line: str) -> None:
    print(line, flush=True)


def _ports(options: StackOptions) -> tuple[int, list[int], list[int]]:
    """For the simulator, for each API, for the metrics of each worker."""
    simulator, *free = free_ports(1 + options.apis + len(_WORKERS) * options.replicas)
    apis, metrics = free[: options.apis], free[options.apis :]
    if options.fixed_ports:
        simulator = _SIMULATOR_PORT if is_free(_SIMULATOR_PORT) else simulator
        apis[0] = _API_PORT if is_free(_API_PORT) else apis[0]
    return simulator, apis, metrics


def _store_token(database_url: str, secrets: Secrets, name: str) -> None:
    import asyncio  # noqa: PLC0415

    from shared.db.conflicts import AlreadyExists  # noqa: PLC0415
    from shared.db.pool import open_database  # noqa: PLC0415
    from shared.db.service_tokens import ServiceTokens  # noqa: PLC0415
    from shared.security.service_tokens import hash_service_token  # noqa: PLC0415

    async def store() -> None:
        async with open_database(database_url, service="stack") as database:
            tokens = ServiceTokens(database)
            hashed = hash_service_token(secrets.service_token)
            if await tokens.name_of(hashed) is not None:
                return
            try:
                await tokens.create(name, hashed)
            except AlreadyExists:
                # The database is older than the secrets of this folder.
                await tokens.create(f"{name}-{hashed.hex()[:8]}", hashed)

    asyncio.run(store())


def _answers(base_url: str, name: str) -> bool:
    path = "/_simulator/health" if name == "simulator" else "/readyz"
    return answers_http(f"{base_url}{path}")


def _consumes(port: int) -> bool:
    """Whether a worker receives messages: what it says of itself in its metrics."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            return bool(_CONSUMES.search(answer.read().decode()))
    except (URLError, OSError):
        return False
