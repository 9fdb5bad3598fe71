"""The running stack as a user and as Amazon's bookkeeper see it: REST, queue, SQL, simulator."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg
import httpx

from deploy.local.stack import CLIENT_ID, RunningStack

T = TypeVar("T")

FINAL = frozenset({"completed", "failed", "cancelled"})
AT_AMC = frozenset({"pending", "running"})
SQL = "SELECT campaign, SUM(impressions) AS impressions FROM dsp_impressions GROUP BY campaign"
MARKETPLACE = "ATVPDKIKX0DER"

_numbers = itertools.count(1)


def eventually(look: Callable[[], T], wanted: Callable[[T], object], *, within: float = 20) -> T:
    """The first answer of `look` that `wanted` accepts; fails with the last one at the deadline."""
    deadline = time.monotonic() + within
    while not wanted(found := look()):
        assert time.monotonic() < deadline, f"after {within} s still: {found!r:.2000}"
        time.sleep(0.05)
    return found


def sql_with(*directives: str, sql: str = SQL) -> str:
    """A query with directives for the simulator; a run takes half a second if none says more."""
    given = (
        directives
        if any("duration" in each for each in directives)
        else ("duration 30", *directives)
    )
    return "\n".join([*(f"-- simulator: {each}" for each in given), sql])


@dataclass(frozen=True, slots=True)
class Place:
    """An instance of a test's own."""

    id: str
    entity_id: str
    account_id: str
    credential_id: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Overdue:
    """An execution with the shortest deadline, kept waiting at AMC by one that runs before it."""

    place: Place
    in_its_way: str
    execution: str


@dataclass
class Simulator:
    """Amazon's side: what arrived, what runs, and what is to go wrong."""

    http: httpx.Client

    def look(self, path: str, **query: str | int) -> Any:
        return self.http.get(f"/_simulator/{path}", params=query).raise_for_status().json()

    def tell(self, path: str, body: object = None) -> Any:
        return self.http.post(f"/_simulator/{path}", json=body or {}).raise_for_status().json()

    def switch(self, **switches: object) -> None:
        self.http.put("/_simulator/switches", json=switches).raise_for_status()

    def fault(
        self,
        kind: str,
        *,
        count: int | None = 1,
        method: str | None = None,
        path: str | None = None,
        place: Place | None = None,
    ) -> None:
        """The next `count` matching requests are struck."""
        match = {"method": method, "path_regex": path, "instance_id": place and place.id}
        given = {name: value for name, value in match.items() if value is not None}
        self.tell("faults", {"fault": kind, "count": count, "match": given})

    def clear_faults(self) -> None:
        self.http.delete("/_simulator/faults").raise_for_status()

    def faults_left(self) -> list[dict[str, Any]]:
        return self.look("faults")["faults"]

    def executions(self, place: Place) -> list[dict[str, Any]]:
        """All ever made on an instance, the oldest first."""
        return self.look("executions", instance_id=place.id)["executions"]

    def stats(self, place: Place) -> dict[str, Any]:
        return self.look("stats")["instances"][place.id]


@dataclass(frozen=True, slots=True)
class Console:
    """AMC's own API, used by hand."""

    http: httpx.Client
    base: str
    headers: dict[str, str]

    def cancel(self, amc_execution_id: str) -> None:
        path = f"{self.base}/workflowExecutions/{amc_execution_id}"
        self.http.put(path, json={"status": "CANCELLED"}, headers=self.headers).raise_for_status()

    def run(self, amc_workflow_id: str, *, times: int) -> None:
        path = f"{self.base}/workflowExecutions"
        body = {"workflowId": amc_workflow_id}
        for _ in range(times):
            self.http.post(path, json=body, headers=self.headers).raise_for_status()

    def delete_workflow(self, amc_workflow_id: str) -> None:
        path = f"{self.base}/workflows/{amc_workflow_id}"
        self.http.delete(path, headers=self.headers).raise_for_status()


@dataclass
class House:
    """Everything a test needs, through public doors only."""

    stack: RunningStack
    http: httpx.Client
    simulator: Simulator
    usual_switches: dict[str, object] = field(default_factory=dict)

    # --- asking -----------------------------------------------------------------------------

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        return _json(self.http.post(path, json=body, headers=headers))

    def get(self, path: str, **query: str | int) -> Any:
        return _json(self.http.get(path, params=query))

    def place(
        self,
        *,
        shares: Place | None = None,
        at_amazon: dict[str, object] | None = None,
        account: dict[str, object] | None = None,
        **limits: object,
    ) -> Place:
        """A new instance, with a new account and login unless it shares another's."""
        number = next(_numbers)
        if shares is None:
            shares = self._account(number, account or {})
        instance_id = f"amce2e{number}"
        entry = {"instanceId": instance_id, "accountId": shares.entity_id, **(at_amazon or {})}
        self.simulator.tell("world", {"instances": [entry]})
        self.post(
            "/instances",
            {"instance_id": instance_id, "account_id": shares.account_id, **limits},
        )
        return Place(
            instance_id,
            shares.entity_id,
            shares.account_id,
            shares.credential_id,
            shares.refresh_token,
        )

    def _account(self, number: int, limits: dict[str, object]) -> Place:
        entity, token = f"ENTITYE2E{number}", f"Atzr|sim-e2e-{number}"
        entry = {"accountId": entity, "marketplaceId": MARKETPLACE}
        self.simulator.tell("world", {"accounts": [entry]})
        self.simulator.tell("refresh-tokens", {"refresh_token": token, "account_ids": [entity]})
        credential = self.post("/credentials", {"name": entity, "refresh_token": token})["id"]
        body = {"entity_id": entity, "marketplace_id": MARKETPLACE, "credential_id": credential}
        account = self.post("/accounts", {**body, **limits})["id"]
        return Place("", entity, account, credential, token)

    def workflow(self, *directives: str, sql: str = SQL, **more: object) -> str:
        body = {"name": f"e2e {next(_numbers)}", "sql_query": sql_with(*directives, sql=sql)}
        return self.post("/workflows", {**body, **more})["id"]

    def run(self, workflow: str, place: Place, **more: object) -> str:
        body = {"instance_id": place.id, **more}
        return self.post(f"/workflows/{workflow}/executions", body)["id"]

    def run_many(self, workflow: str, place: Place, count: int, **more: object) -> list[str]:
        items = [{"workflow_id": workflow, "instance_id": place.id, **more}] * count
        answer = self.post("/executions/bulk", {"items": items})
        return [item["id"] for item in answer["items"]]

    # --- reading ----------------------------------------------------------------------------

    def shown(self, execution: str) -> dict[str, Any]:
        return self.get(f"/executions/{execution}")

    def status(self, execution: str) -> str:
        return self.get(f"/executions/{execution}/status")["status"]

    def all_of(self, workflow: str) -> list[dict[str, Any]]:
        """Every execution of a workflow, the newest first."""
        found, cursor = [], {}
        while True:
            page = self.get("/executions", workflow_id=workflow, limit=200, **cursor)
            found += page["items"]
            if not page["has_more"]:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def ended(self, execution: str, *, within: float = 20) -> dict[str, Any]:
        """The execution once it is final; its timeline is shown if that takes too long."""
        deadline = time.monotonic() + within
        while (shown := self.shown(execution))["status"] not in FINAL:
            assert time.monotonic() < deadline, f"{shown['status']}: {self.story(execution)}"
            time.sleep(0.05)
        return shown

    def all_ended(self, workflow: str, count: int, *, within: float = 30) -> list[dict[str, Any]]:
        """All executions of a workflow once there are `count` and all are final."""
        return eventually(
            lambda: self.all_of(workflow),
            lambda found: len(found) == count and all(e["status"] in FINAL for e in found),
            within=within,
        )

    def reaches(self, execution: str, *states: str, within: float = 15) -> None:
        eventually(lambda: self.status(execution), lambda found: found in states, within=within)

    def story(self, execution: str) -> list[str]:
        """Its timeline in words."""
        items = self.get(f"/executions/{execution}/timeline")["items"]
        return [
            f"{item['kind']} {item['from_status']}>{item['to_status']}"
            f" {item['error_code'] or ''} {item['detail'] or ''}".strip()
            for item in items
        ]

    def states(self, execution: str) -> list[str]:
        """The states it went through, in order."""
        items = self.get(f"/executions/{execution}/timeline")["items"]
        return [item["to_status"] for item in items if item["to_status"] is not None]

    def download(self, execution: str, format: str | None = None) -> httpx.Response:  # noqa: A002
        query = {} if format is None else {"format": format}
        return self.http.get(f"/executions/{execution}/download", params=query).raise_for_status()

    def rows(self, execution: str, *, limit: int = 1000) -> list[list[Any]]:
        """All rows, page by page."""
        found, cursor = [], {}
        while True:
            page = self.get(f"/executions/{execution}/results", limit=limit, **cursor)
            found += page["items"]
            if not page["has_more"]:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def at_amazon(self, execution: str, place: Place) -> list[dict[str, Any]]:
        """What the simulator made for an execution, by its workflow: one test, one workflow."""
        wanted = self.shown(execution)["amc_workflow_id"]
        made = self.simulator.executions(place)
        return [each for each in made if each["workflowId"] == wanted]

    def at_amazon_by_hand(self, place: Place) -> "Console":
        """Somebody else with the same login, working in AMC's console."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": place.refresh_token,
            "client_id": CLIENT_ID,
            "client_secret": self.stack.secrets.client_secret,
        }
        granted = _json(self.simulator.http.post("/auth/o2/token", data=form))
        headers = {
            "Authorization": f"Bearer {granted['access_token']}",
            "Amazon-Advertising-API-ClientId": CLIENT_ID,
            "Amazon-Advertising-API-AdvertiserId": place.entity_id,
            "Amazon-Advertising-API-MarketplaceId": MARKETPLACE,
        }
        return Console(self.simulator.http, f"/amc/reporting/{place.id}", headers)

    def limits(self, place: Place) -> dict[str, Any]:
        return self.get(f"/instances/{place.id}/limits")

    def sql(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Rows read from the database itself."""
        return asyncio.run(_fetch(self.stack.found.database_url, query, arguments))

    def rows_by_sql(self, execution: str) -> int:
        """How many rows schema `results` holds of it."""
        (row,) = self.sql(
            "select no, result_table from workflow_executions where id = $1::text::uuid",
            execution.removeprefix("ex_"),
        )
        table = row["result_table"].replace('"', '""')
        return self.sql(f'select count(*) from results."{table}" where e = $1', row["no"])[0][
            "count"
        ]


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """All calls side by side."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def states_of(executions: Iterable[dict[str, Any]]) -> set[str]:
    return {each["status"] for each in executions}


def run_async(work: Awaitable[T]) -> T:
    """In a loop of its own."""

    async def main() -> T:
        return await work

    return asyncio.run(main())


async def _fetch(url: str, query: str, arguments: Sequence[object]) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    try:
        return [dict(row) for row in await connection.fetch(query, *arguments)]
    finally:
        with suppress(asyncpg.PostgresError):
            await connection.close()


def _json(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.method} {answer.url.path}: {answer.text}"
    return answer.json() if answer.content else {}


@dataclass(frozen=True, slots=True)
class Case:
    """One execution on an instance of its own."""

    house: House
    place: Place
    execution: str

    @property
    def shown(self) -> dict[str, Any]:
        """Once it is final."""
        return self.house.ended(self.execution, within=40)

    @property
    def made(self) -> list[dict[str, Any]]:
        """What AMC has of it."""
        return self.house.at_amazon(self.execution, self.place)

    @property
    def attempts(self) -> list[str]:
        """What became of each create that left; a busy machine may miss a turn before."""
        query = (
            "select outcome from submission_attempts where execution_id = $1::text::uuid"
            " and outcome <> 'not_sent' order by attempt"
        )
        rows = self.house.sql(query, self.execution.removeprefix("ex_"))
        return [row["outcome"] for row in rows]

    @property
    def unused(self) -> list[dict[str, Any]]:
        """Faults that were to strike it and did not."""
        ours = self.house.shown(self.execution)["amc_workflow_id"]
        return [
            fault
            for fault in self.house.simulator.faults_left()
            if fault["match"]["instance_id"] == self.place.id
            or ours in (fault["match"]["path_regex"] or "")
        ]
