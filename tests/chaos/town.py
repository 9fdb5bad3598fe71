"""One running stack for many rounds: real servers, two of every service, proxies in between.

The services reach Postgres, RabbitMQ and Amazon through proxies; the harness goes to them
directly, so that what it breaks does not blind it. Every round gets accounts and instances of its
own, with a login of their own.
"""

import asyncio
import itertools
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, Signals
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import asyncpg
import httpx

from deploy.local.backends import FOR_TESTS
from deploy.local.owned import wait_until
from deploy.local.ports import free_ports
from deploy.local.postgres import PostgresNode
from deploy.local.profiles import DURABLE
from deploy.local.rabbitmq import RabbitmqNode
from deploy.local.stack import Addresses, RunningStack, StackOptions, running_stack
from deploy.local.supervisor import Patience
from shared.messaging.topology import Topology
from tests.chaos.network import Network, Proxy
from tests.e2e.house import Simulator
from tests.stop_points import StopPoints

T = TypeVar("T")

WORKERS = ("submitter", "poller", "downloader", "token_refresher", "scheduler")
SERVICES = (*WORKERS, "api")
REPLICAS = 2

SETTLE_SECONDS = 6.0
LEASE_SECONDS = 6.0
# AMC sixty times as fast as in life; our own waits short enough for many rounds.
SIMULATOR = {
    "ENGINE": "made-up",
    "TIME_SCALE": "60",
    "DURATION_PROFILE": "uniform:20:120",
    "ROWS_PROFILE": "uniform:5:60",
    "JOURNAL_SIZE": "1000000",
    "MAX_CONCURRENT_EXECUTIONS": "100",
    "MAX_CONCURRENT_EXECUTIONS_PER_ACCOUNT": "1000",
}
SETTINGS = {
    "AMCFLOW_POLL_SHORTEST_SECONDS": "0.3",
    # Instances of earlier rounds are looked at for strays for two hours more.
    "AMCFLOW_POLL_LONGEST_SECONDS": "5",
    "AMCFLOW_FIRST_LOOK_SECONDS": "0.3",
    "AMCFLOW_SETTLE_SECONDS": f"{SETTLE_SECONDS:g}",
    "AMCFLOW_HTTP_TIMEOUT_SECONDS": "3",
    "AMCFLOW_GATEWAY_HOLD_SECONDS": "1",
    "AMCFLOW_LIST_LAG_SECONDS": "2",
    "AMCFLOW_LEASE_SECONDS": f"{LEASE_SECONDS:g}",
    "AMCFLOW_REFRESH_LEASE_SECONDS": "6",
    "AMCFLOW_RESCUE_SECONDS": "1",
}
MARKETPLACE = "ATVPDKIKX0DER"
_ANSWER_SECONDS = 20.0
"""Whatever the harness asks a server itself is answered by then, or the round is not at rest."""


@dataclass(frozen=True, slots=True)
class Place:
    """An instance of one round, and the account and login behind it."""

    id: str
    entity_id: str
    account_id: str
    credential_id: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of a service, whoever plays it at the moment."""

    service: str
    number: int

    def __str__(self) -> str:
        return f"{self.service}[{self.number}]"


ALL_REPLICAS = tuple(Replica(name, number) for name in SERVICES for number in range(REPLICAS))


@dataclass(eq=False)
class Town:
    """The stack with everything a fault can take hold of."""

    stack: RunningStack
    folder: Path
    logs: Path
    network: Network
    stop_points: StopPoints
    overrides: dict[Replica, dict[str, str]]
    simulator: Simulator
    usual_switches: Mapping[str, object]
    _rounds: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _frozen: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_round(self) -> int:
        """A number that no other round of this stack has."""
        return next(self._rounds)

    # --- what faults take hold of -----------------------------------------------------------

    @property
    def postgres(self) -> PostgresNode:
        node = self.stack.found.postgres
        assert isinstance(node, PostgresNode), "chaos needs a Postgres of its own"
        return node

    @property
    def rabbitmq(self) -> RabbitmqNode:
        node = self.stack.found.rabbitmq
        assert isinstance(node, RabbitmqNode), "chaos needs a RabbitMQ of its own"
        return node

    def proxy(self, name: str) -> Proxy:
        """`database`, `broker` or `amazon`."""
        return self.network.proxies[name]

    def send(self, replica: Replica, number: Signals) -> None:
        self.stack.supervisor.send(replica.service, number, replica=replica.number)

    def pid(self, replica: Replica) -> int:
        return self.stack.supervisor.pid(replica.service, replica=replica.number)

    def is_ready(self, replica: Replica) -> bool:
        return self.stack.supervisor.is_ready(replica.service, replica=replica.number)

    def all_ready(self, *, within: float) -> bool:
        """Whether everybody works again by then."""
        return wait_until(lambda: all(map(self.is_ready, ALL_REPLICAS)), seconds=within)

    def move_spool(self, target: Path | None) -> None:
        """Where the downloaders' folder leads to, from one moment to the next; None: home."""
        moved = self.folder / "spool.new"
        moved.symlink_to(target or self.folder / "spool.home")
        moved.rename(self.folder / "spool")

    def note_frozen(self, pid: int) -> None:
        with self._lock:
            self._frozen.add(pid)

    def thaw(self, one: int | None = None) -> None:
        """Whoever was stopped goes on, or this one process."""
        with self._lock:
            frozen = self._frozen if one is None else self._frozen & {one}
            self._frozen = self._frozen - frozen
        ours = {pid for pids in self.stack.supervisor.pids().values() for pid in pids}
        for pid in frozen & ours:
            os.kill(pid, SIGCONT)

    def heal(self) -> None:
        """After a round whatever it left behind ends, so that the next one starts well."""
        self.network.heal()
        self.stop_points.disarm_all()
        self.thaw()
        self.move_spool(None)
        self.simulator.clear_faults()
        self.simulator.switch(**self.usual_switches)

    # --- what the harness reads -------------------------------------------------------------

    def sql(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Rows read from the database itself."""
        return asyncio.run(_fetch(self.stack.found.database_url, query, arguments))

    def queue_depths(self) -> dict[str, int]:
        """Messages ready in each queue."""
        return asyncio.run(_depths(self.stack.found.amqp_url))

    # --- a place to work in -----------------------------------------------------------------

    def account(self, name: str, **limits: object) -> Place:
        """A new account with a login of its own; its place has no instance yet."""
        entity, token = f"ENTITY{name}", f"Atzr|sim-{name}"
        entry = {"accountId": entity, "marketplaceId": MARKETPLACE}
        self.simulator.tell("world", {"accounts": [entry]})
        self.simulator.tell("refresh-tokens", {"refresh_token": token, "account_ids": [entity]})
        credential = self._post("/credentials", {"name": entity, "refresh_token": token})
        body = {"entity_id": entity, "marketplace_id": MARKETPLACE, "credential_id": credential}
        return Place("", entity, self._post("/accounts", {**body, **limits}), credential, token)

    def instance(self, account: Place, name: str, **limits: object) -> Place:
        """A new instance; Amazon allows what we are told, and one call more a second."""
        at_amazon = {"instanceId": name, "accountId": account.entity_id}
        self.simulator.tell("world", {"instances": [at_amazon]})
        self._post("/instances", {"instance_id": name, "account_id": account.account_id, **limits})
        return Place(
            name, account.entity_id, account.account_id, account.credential_id,
            account.refresh_token,
        )  # fmt: skip

    def workflow(self, name: str, sql: str) -> str:
        return self._post("/workflows", {"name": name, "sql_query": sql})

    def cancel(self, execution: str) -> None:
        """What a round has left running."""
        self._post(f"/executions/{execution}/cancel", {})

    def _post(self, path: str, body: Mapping[str, object]) -> str:
        answer = httpx.post(
            f"{self.stack.api_url}/api/v1{path}",
            json=body,
            headers=self.headers,
            timeout=30,
            trust_env=False,
        )
        assert answer.is_success, f"POST {path}: {answer.status_code} {answer.text}"
        return str(answer.json()["id"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.stack.secrets.service_token}"}


@contextmanager
def running_town(folder: Path, logs: Path) -> Iterator[Town]:
    """Start it all; nothing given by the environment is used, for it would be broken too."""
    given = [name for name in (FOR_TESTS.database, FOR_TESTS.amqp) if name in os.environ]
    assert not given, f"chaos breaks its servers: unset {', '.join(given)}"
    stop_points = StopPoints(folder / "stop-points")
    stop_points.prepare()
    (folder / "spool.home").mkdir()
    (folder / "spool").symlink_to(folder / "spool.home")
    network = Network()
    ports = dict(zip(("database", "broker", "amazon"), free_ports(3), strict=True))
    overrides: dict[Replica, dict[str, str]] = {}

    def through_proxies(direct: Addresses) -> Addresses:
        return Addresses(
            *(
                _behind(network, name, ports[name], url)
                for name, url in zip(
                    ports,
                    (direct.database_url, direct.amqp_url, direct.simulator_url),
                    strict=True,
                )
            )
        )

    options = StackOptions(
        replicas=REPLICAS,
        apis=REPLICAS,
        folder=folder / "data",
        logs=logs,
        profile=DURABLE,
        simulator=SIMULATOR,
        services={
            **SETTINGS,
            "AMCFLOW_STOP_POINTS_FOLDER": str(stop_points.folder),
            "AMCFLOW_SPOOL_FOLDER": str(folder / "spool"),
        },
        of_replica=lambda name, number: overrides.get(Replica(name, number), {}),
        detour=through_proxies,
        patience=Patience(backoff=(0.2,), crashes_before_ready=1000),
        fixed_ports=False,
    )
    with running_stack(options) as stack, _amazon(stack) as simulator:
        try:
            switches = simulator.look("switches")
            yield Town(stack, folder, logs, network, stop_points, overrides, simulator, switches)
        finally:
            network.close()


@contextmanager
def _amazon(stack: RunningStack) -> Iterator[Simulator]:
    with httpx.Client(base_url=stack.simulator_url, timeout=60, trust_env=False) as http:
        yield Simulator(http)


def _behind(network: Network, name: str, port: int, url: str) -> str:
    """The same address, by way of a proxy."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    network.proxy(name, port, (parts.hostname, parts.port))
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{port}"))


async def _fetch(url: str, query: str, arguments: Sequence[object]) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url, timeout=10, command_timeout=_ANSWER_SECONDS)
    try:
        return [dict(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def _depths(url: str) -> dict[str, int]:
    topology = Topology()
    async with (
        asyncio.timeout(_ANSWER_SECONDS),
        await aio_pika.connect(url, timeout=10) as connection,
    ):
        channel = await connection.channel()
        found = {}
        for queue in (*topology.work_queues, *topology.dead_queues):
            declared = await channel.declare_queue(queue.name, passive=True)
            found[queue.name] = declared.declaration_result.message_count or 0
        return found
