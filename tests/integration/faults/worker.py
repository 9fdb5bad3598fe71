"""A worker in a process of its own, for tests that freeze or end it between two steps.

It takes one order after the other as lines of JSON and answers each with a line: how the handler
ended, and what it called at its AMC, which is in memory and its own.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from services.downloader.handler import DownloadHandler
from services.downloader.spool import DiskSpool
from services.token_refresher.handler import Keys, RefreshHandler
from shared.amc.models import DownloadLinks
from shared.amc.results import ResultPart
from shared.db.acceptance import Acceptance
from shared.db.downloads import Downloads
from shared.db.executions_read import ExecutionsRead
from shared.db.idempotency import IdempotencyKeys
from shared.db.instances import Instances
from shared.db.pool import Database, open_database
from shared.db.results.load import ResultLoader
from shared.db.tokens import Logins, Refreshes
from shared.db.workflows import Workflows
from shared.domain.claims import DownloadClaim
from shared.domain.errors import AmcflowError, AmcUnavailable, QueryRejected
from shared.intake.idempotency import Once
from shared.intake.intake import Asker, Intake
from shared.intake.models import ExecutionItem
from shared.messaging.messages import DownloadResult, RefreshCredential
from shared.observability.logs import configure
from shared.observability.stop_points import watch
from shared.runtime.access import Access
from shared.security.sealing import SealingPrivateKey
from shared.security.tokens import TokenVault
from tests.integration.builders import MadeInstance, MadeWorkflow
from tests.integration.workers.bench import Bench
from tests.integration.workers.fake_amc import FakeAmc
from tests.integration.workers.test_refresh import FakeLogin

Order = dict[str, Any]
RESULT: Final = b"brand,clicks\nacme,1\nother,2\n"
SIMULATOR: Final = "http://127.0.0.1:1"


def amc_of(order: Order) -> FakeAmc:
    amc = FakeAmc()
    for made in order.get("at_amc", []):
        created_at = datetime.fromisoformat(made.pop("created_at"))
        amc.make(made.pop("name"), created_at=created_at, **made)
    if order.get("refuse"):
        amc.will("create_execution", QueryRejected("no such column"))
    return amc


def bench_of(order: Order, database: Database) -> Bench:
    """The same instance, with an AMC of its own."""
    vault = TokenVault([order["key"]], setting="ENCRYPTION_KEY")
    return Bench(
        database,
        amc_of(order),
        MadeInstance(order["instance"], order["account"]),
        MadeWorkflow(UUID(order["workflow"]), order["amc_workflow"]),
        Access(Logins(database), vault, SIMULATOR),
    )


class FakeResults:
    """AMC and its store: one part."""

    async def get_execution(self, claim: DownloadClaim) -> Any:
        raise NotImplementedError

    async def download_links(self, claim: DownloadClaim) -> DownloadLinks:
        return DownloadLinks((f"{SIMULATOR}/part-0.csv",))

    @asynccontextmanager
    async def open(self, link: str) -> AsyncIterator[ResultPart]:
        async def chunks() -> AsyncIterator[bytes]:
            yield RESULT

        yield ResultPart(chunks(), len(RESULT))


class NoAdmitter:
    """Leaves admission to the rescuer."""

    def soon(self, instance_ids: Collection[int]) -> None:
        """Not at all."""


class Delivery:
    """A message nobody else waits for."""

    async def acknowledge(self) -> None:
        """Nothing to forget."""


def downloader(database: Database, folder: Path) -> DownloadHandler:
    results = FakeResults()
    return DownloadHandler(
        Downloads(database), results, results, DiskSpool(folder), ResultLoader(database)
    )


async def download(order: Order, database: Database) -> list[str]:
    command = DownloadResult(execution_id=UUID(order["execution"]))
    await downloader(database, Path(order["folder"]))(command, Delivery())
    return []


def refresher(database: Database, stack: dict[str, str], login: FakeLogin) -> RefreshHandler:
    return RefreshHandler(
        Refreshes(database),
        login,
        Keys(
            access=TokenVault([stack["access"]], setting="a"),
            refresh=TokenVault([stack["refresh"]], setting="r"),
            sealing=SealingPrivateKey(stack["sealing"]),
        ),
        lease=timedelta(seconds=60),
        simulator_url=SIMULATOR,
    )


async def refresh(order: Order, database: Database) -> list[str]:
    login = FakeLogin(errors=[AmcUnavailable("away")] if order.get("refuse") else [])
    command = RefreshCredential(credential_id=UUID(order["credential"]))
    await refresher(database, order["stack"], login)(command)
    return ["refresh_token"]


async def hold_the_gate(order: Order, database: Database) -> list[str]:
    async with database.transaction() as connection:
        await connection.execute("select lock_gates_v1(array[$1::int])", order["account"])
        sys.stdout.write("holding\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
    return []


async def accept(order: Order, database: Database) -> list[str]:
    intake = Intake(
        Workflows(database),
        Instances(database),
        ExecutionsRead(database),
        Acceptance(database),
        NoAdmitter(),
        Once(IdempotencyKeys(database)),
    )
    item = ExecutionItem(workflow_id=order["workflow"], instance_id=order["amc_instance"])
    await intake.accept_one(item, Asker(owner="test", request_id="request"))
    return []


async def at_the_bench(order: Order, database: Database) -> list[str]:
    bench = bench_of(order, database)
    match order["command"]:
        case "poll":
            await bench.look()
        case "cancel_stray":
            await bench.cancel_stray(order["stray"])
        case command:
            await getattr(bench, command)(UUID(order["execution"]))
    return [name for name, _ in bench.amc.calls]


OTHER_WORK: Final[dict[str, Callable[[Order, Database], Awaitable[list[str]]]]] = {
    "accept": accept,
    "download": download,
    "refresh": refresh,
    "hold_the_gate": hold_the_gate,
}


async def carry_out(order: Order) -> dict[str, Any]:
    watch(Path(order["folder"]), service="worker")
    work = OTHER_WORK.get(order["command"], at_the_bench)
    async with open_database(order["database_url"], service="worker", max_size=4) as database:
        try:
            calls = await work(order, database)
        except AmcflowError as error:
            return {"outcome": type(error).__name__, "calls": []}
    return {"outcome": "done", "calls": calls}


def mortally(order: Order) -> dict[str, Any]:
    """In a child of this process, so that its death costs no new one."""
    pid = os.fork()
    if pid == 0:
        asyncio.run(carry_out(order))
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return {"outcome": "killed" if os.WIFSIGNALED(status) else "done", "calls": []}


def main() -> None:
    configure("worker", version="test", level="ERROR")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order = json.loads(line)
        answer = mortally(order) if order.get("mortal") else asyncio.run(carry_out(order))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
