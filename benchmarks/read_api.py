"""The API over a database with one large result, as both `read` and `export` need it."""

import asyncio
import contextlib
import http.client
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from benchmarks.frame import Context
from benchmarks.load_data import NARROW, write_size
from benchmarks.load_files import files_served
from benchmarks.load_worker import WorkOrder, load_in_process
from benchmarks.load_world import ready_executions
from benchmarks.processes import environment, running
from deploy.local.backends import Found
from deploy.local.owned import wait_until
from deploy.local.ports import free_ports
from deploy.local.readiness import answers_http
from shared.db.pool import open_database
from shared.db.results.stored import StoredResult, find_result
from shared.db.service_tokens import ServiceTokens
from shared.domain.ids import EXECUTION_PREFIX, show
from shared.security.keys import new_stack_keys
from shared.security.service_tokens import hash_service_token, new_service_token


@dataclass(frozen=True, slots=True)
class Api:
    """A running API, a token for it, and where the result is."""

    url: str
    token: str
    pid: int
    database_url: str
    result: StoredResult

    @property
    def execution(self) -> str:
        """As the API names it."""
        return show(EXECUTION_PREFIX, self.result.execution_id)

    def connect(self) -> "Client":
        return Client(self)


class Client:
    """One connection that stays open."""

    def __init__(self, api: Api) -> None:
        address = urlsplit(api.url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port)
        self._headers = {"Authorization": f"Bearer {api.token}"}

    def get(self, path: str) -> bytes:
        """The whole answer."""
        with self.open(path) as response:
            return response.read()

    def open(self, path: str) -> http.client.HTTPResponse:
        """The answer, to be read to its end."""
        try:
            response = self._asked(path)
        except http.client.RemoteDisconnected:
            # The API closes what was silent for some seconds.
            self._connection.close()
            response = self._asked(path)
        assert response.status == http.HTTPStatus.OK, response.read()
        return response

    def _asked(self, path: str) -> http.client.HTTPResponse:
        self._connection.request("GET", f"/api/v1{path}", headers=self._headers)
        return self._connection.getresponse()


@contextlib.contextmanager
def served_result(context: Context, rows: int) -> Iterator[Api]:
    """A result of about so many narrow rows, loaded by the product's own downloader."""
    keys, port, token = new_stack_keys(), free_ports(1)[0], new_service_token()
    with context.servers() as found:
        result = _load(context, found, rows)
        asyncio.run(_let_in(found.database_url, token))
        env = environment(
            DATABASE_URL=found.database_url,
            AMQP_URL=found.amqp_url,
            SEALING_PUBLIC_KEY=keys.sealing_public_key,
            AMCFLOW_API_PORT=str(port),
        )
        argv, url = (sys.executable, "-m", "services.api"), f"http://127.0.0.1:{port}"
        with running(argv, log=context.logs / "read-api.log", env=env) as [process]:
            assert wait_until(lambda: answers_http(f"{url}/readyz"), seconds=30)
            yield Api(url, token, process.pid, found.database_url, result)


def _load(context: Context, found: Found, rows: int) -> StoredResult:
    folder = context.new_folder("files")
    file = write_size(folder / "result.csv", NARROW, rows * 68)
    [execution] = asyncio.run(ready_executions(found.database_url, 1, NARROW))
    with files_served(folder, log=context.logs / "load_files.log") as origin:
        order = WorkOrder(
            found.database_url, [str(execution)], f"{origin}/result.csv", 1, str(folder)
        )
        load_in_process(order)
    file.path.unlink()
    return asyncio.run(_find(found.database_url, execution))


async def _find(database_url: str, execution: UUID) -> StoredResult:
    async with open_database(database_url, service="bench") as database:
        await database.execute("vacuum analyze")
        # What was loaded is on the disk before anything is measured, not written beside it.
        await database.execute("checkpoint")
        return await find_result(database, execution)


async def _let_in(database_url: str, token: str) -> None:
    async with open_database(database_url, service="bench") as database:
        await ServiceTokens(database).create("bench", hash_service_token(token))
