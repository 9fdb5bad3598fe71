"""The whole system at work on instances that it knows, and AMC's own book of what reached it."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypedDict, cast

import asyncpg
import httpx

from benchmarks.frame import Context
from deploy.local.profiles import DURABLE
from deploy.local.stack import CLIENT_ID, REFRESH_TOKEN, RunningStack, StackOptions, running_stack
from deploy.local.welcome import Api

SQL: Final = "SELECT campaign, SUM(impressions) AS n FROM dsp_impressions GROUP BY campaign"
_MARKETPLACE: Final = "ATVPDKIKX0DER"
_PAGE: Final = 10_000


class Arrival(TypedDict):
    """One request, as the simulator's journal has it."""

    seq: int
    method: str
    path: str
    status: int
    instance_id: str | None
    arrived_at: float


class Run(TypedDict):
    """One execution, as the simulator has it; times are ISO text."""

    id: str
    instanceId: str
    finishTime: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """An instance as the stack shall know it; AMC has the same limits."""

    id: str
    at_once: int
    """Executions at AMC at a time."""
    calls_per_second: int = 10

    @property
    def entity(self) -> str:
        return f"ENTITY{self.id.upper()}"


@dataclass(frozen=True, slots=True)
class Town:
    """A running stack with its instances registered."""

    stack: RunningStack
    api: Api
    amazon: httpx.Client
    _journal: list[Arrival] = field(default_factory=list)
    """What was read of it before: it only grows, and to read all of it takes AMC a second."""

    def workflow(self, name: str = "bench") -> str:
        """The id of a new workflow."""
        return str(self.api.post("/workflows", {"name": name, "sql_query": SQL})["id"])

    def ask(self, workflow: str, instances: Sequence[str]) -> None:
        """One execution for each, in this order; all are accepted when it returns."""
        for first in range(0, len(instances), _PAGE):
            items = [
                {"workflow_id": workflow, "instance_id": instance}
                for instance in instances[first : first + _PAGE]
            ]
            self.api.post("/executions/bulk", {"items": items})

    def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """What our database says."""
        return asyncio.run(_rows(self.stack.found.database_url, query, arguments))

    def now(self) -> float:
        """The simulator's clock: seconds since the epoch."""
        return cast("float", self._look("clock")["epoch_seconds"])

    def arrivals(self, since: float = 0.0) -> list[Arrival]:
        """What reached AMC's instances from `since` on, refused or not, in order of its answers."""
        read = self._journal
        while page := cast(
            "list[Arrival]",
            self._look("journal", after=read[-1]["seq"] if read else 0)["entries"],
        ):
            read += page
        return [e for e in read if e["instance_id"] and e["arrived_at"] >= since]

    def runs(self) -> list[Run]:
        """Every execution that AMC has had."""
        found: list[Run] = []
        while page := cast("list[Run]", self._look("executions", after=len(found))["executions"]):
            found += page
        return found

    def headers(self, place: Place) -> dict[str, str]:
        """What a client of AMC's own sends; a login of its own, so that ours is left alone."""
        secrets = self.stack.secrets
        answer = self.amazon.post(
            "/auth/o2/token",
            data={
                "grant_type": "refresh_token",
                "refresh_token": REFRESH_TOKEN,
                "client_id": CLIENT_ID,
                "client_secret": secrets.client_secret,
            },
        ).raise_for_status()
        return {
            "Authorization": f"Bearer {answer.json()['access_token']}",
            "Amazon-Advertising-API-ClientId": CLIENT_ID,
            "Amazon-Advertising-API-AdvertiserId": place.entity,
            "Amazon-Advertising-API-MarketplaceId": _MARKETPLACE,
        }

    def save_workflow(self, place: Place, workflow_id: str) -> None:
        """By AMC's own API, for a rival."""
        self.amazon.post(
            f"/amc/reporting/{place.id}/workflows",
            json={"workflowId": workflow_id, "sqlQuery": SQL},
            headers=self.headers(place),
        ).raise_for_status()

    def open_at_amazon(self, places: Sequence[Place]) -> None:
        """The instances exist at AMC from now on."""
        document = {
            "accounts": [{"accountId": p.entity, "marketplaceId": _MARKETPLACE} for p in places],
            "instances": [
                {
                    "instanceId": place.id,
                    "accountId": place.entity,
                    "maxConcurrentExecutions": place.at_once,
                    "requestsPerSecond": place.calls_per_second,
                }
                for place in places
            ],
        }
        self.amazon.post("/_simulator/world", json=document).raise_for_status()

    def register(self, places: Sequence[Place]) -> None:
        """One login for all, an account for each."""
        login = {"name": "bench", "refresh_token": REFRESH_TOKEN, "region": "NA"}
        credential = self.api.post("/credentials", login)["id"]
        for place in places:
            account = self.api.post(
                "/accounts",
                {
                    "entity_id": place.entity,
                    "marketplace_id": _MARKETPLACE,
                    "name": place.id,
                    "credential_id": credential,
                    "max_concurrent_executions": place.at_once,
                },
            )
            self.api.post(
                "/instances",
                {
                    "instance_id": place.id,
                    "account_id": account["id"],
                    "name": place.id,
                    "max_concurrent_executions": place.at_once,
                    "max_requests_per_second": place.calls_per_second,
                },
            )

    def _look(self, path: str, **query: int) -> dict[str, float | list[object]]:
        answer = self.amazon.get(f"/_simulator/{path}", params=query).raise_for_status()
        found: dict[str, float | list[object]] = answer.json()
        return found


@contextlib.contextmanager
def open_town(
    context: Context,
    name: str,
    places: Sequence[Place],
    *,
    replicas: int = 1,
    simulator: Mapping[str, str],
    services: Mapping[str, str] | None = None,
) -> Iterator[Town]:
    """A stack of its own with durable servers; results are made up, whatever the SQL says."""
    options = StackOptions(
        replicas=replicas,
        folder=context.new_folder(name),
        logs=context.logs / name,
        profile=DURABLE,
        simulator={
            "ENGINE": "made-up",
            "JOURNAL_SIZE": "2000000",
            "MAX_CONCURRENT_EXECUTIONS_PER_ACCOUNT": "1000000",
            **simulator,
        },
        services=services or {},
        fixed_ports=False,
    )
    with (
        running_stack(options) as stack,
        httpx.Client(base_url=stack.simulator_url, timeout=60, trust_env=False) as amazon,
        contextlib.closing(Api(stack.api_url, stack.secrets.service_token)) as api,
    ):
        town = Town(stack, api, amazon)
        town.open_at_amazon(places)
        town.register(places)
        yield town


async def _rows(url: str, query: str, arguments: Sequence[object]) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        found: list[asyncpg.Record] = await connection.fetch(query, *arguments)
        return found
    finally:
        await connection.close()
