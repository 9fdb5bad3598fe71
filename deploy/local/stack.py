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
from deploy.local.paths import DATA, LOGS, PROJECT
from deploy.local.ports import free_ports, is_free
from deploy.local.profiles import DURABLE, Profile
from deploy.local.readiness import answers_http
from deploy.local.stack_file import StackFile, write_stack_file
from deploy.local.supervisor import ProcessSpec, Supervisor
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
class StackOptions:
    """What differs between `up`, the demo and the tests."""

    replicas: int = 1
    folder: Path = DATA
    logs: Path = LOGS
    profile: Profile = DURABLE
    simulator: Mapping[str, str] = field(default_factory=dict)
    """Settings of the simulator, without their prefix, such as TIME_SCALE."""
    services: Mapping[str, str] = field(default_factory=dict)
    """Settings of all services."""
    fixed_ports: bool = True
    token_name: str = "local"  # noqa: S105 (a name)


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that answers."""

    api_url: str
    simulator_url: str
    found: Found
    secrets: Secrets
    supervisor: Supervisor

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
        api_port, simulator_port, *metrics = _ports(options)
        composition = Composition(options, found, secrets, api_port, simulator_port, metrics)
        say(f"starting the simulator and {len(_WORKERS) + 1} services")
        with Supervisor(composition.processes(), logs=options.logs, cwd=PROJECT) as supervisor:
            yield RunningStack(
                composition.api_url, composition.simulator_url, found, secrets, supervisor
            )


@dataclass(frozen=True, slots=True)
class Composition:
    """Which processes, with which environment."""

    options: StackOptions
    found: Found
    secrets: Secrets
    api_port: int
    simulator_port: int
    metrics_ports: Sequence[int]

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.simulator_port}"

    def processes(self) -> list[ProcessSpec]:
        """The simulator first, the API last: when it answers, everything behind it works."""
        return [
            self._process(
                "simulator", self._simulator(), lambda _: _answers(self.simulator_url, "simulator")
            ),
            *(self._worker(number, name) for number, name in enumerate(_WORKERS)),
            self._process("api", self._api(), lambda _: _answers(self.api_url, "api")),
        ]

    def _worker(self, number: int, name: str) -> ProcessSpec:
        replicas = self.options.replicas
        ports = self.metrics_ports[number * replicas : (number + 1) * replicas]
        environment = {**self._common(), **self._of(name)}
        return ProcessSpec(
            name=name,
            argv=(sys.executable, "-m", f"services.{name}"),
            env_of=lambda replica: {**environment, "AMCFLOW_METRICS_PORT": str(ports[replica])},
            replicas=replicas,
            ready=lambda replica: _consumes(ports[replica]),
        )

    def _process(
        self, name: str, environment: Mapping[str, str], ready: Callable[[int], bool]
    ) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            argv=(sys.executable, "-m", f"services.{name}"),
            env_of=lambda _: environment,
            ready=ready,
        )

    def _base(self) -> dict[str, str]:
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
        base = {name: os.environ[name] for name in kept if name in os.environ}
        return {**base, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def _common(self) -> dict[str, str]:
        return {
            **self._base(),
            "DATABASE_URL": self.found.database_url,
            "AMQP_URL": self.found.amqp_url,
            **self.options.services,
        }

    def _amazon(self) -> dict[str, str]:
        return {"AMAZON_CLIENT_ID": CLIENT_ID, "AMCFLOW_SIMULATOR_URL": self.simulator_url}

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

    def _api(self) -> dict[str, str]:
        return {
            **self._common(),
            "SEALING_PUBLIC_KEY": self.secrets.sealing_public_key,
            "AMCFLOW_API_HOST": "127.0.0.1",
            "AMCFLOW_API_PORT": str(self.api_port),
        }

    def _simulator(self) -> dict[str, str]:
        told = {
            "HOST": "127.0.0.1",
            "PORT": str(self.simulator_port),
            "CLIENT_ID": CLIENT_ID,
            "CLIENT_SECRET": self.secrets.client_secret,
            "REFRESH_TOKENS": REFRESH_TOKEN,
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


def _ports(options: StackOptions) -> list[int]:
    free = free_ports(2 + len(_WORKERS) * options.replicas)
    if not options.fixed_ports:
        return free
    wanted = (_API_PORT, _SIMULATOR_PORT)
    first = [want if is_free(want) else free[place] for place, want in enumerate(wanted)]
    return [*first, *free[2:]]


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
