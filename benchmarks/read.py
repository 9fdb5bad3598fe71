"""Pages of a large result and of the list of executions, against the best SQL for the same rows.

Ours is an answer of the API to a client that keeps its connection: token checked, result found,
rows read, JSON made. The rival is one prepared statement over one connection, its rows decoded.
Each figure of a pair is the median of many requests.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import asyncpg

from benchmarks.frame import Context, Pairs, Row, Target, measure_in_turn, measure_pairs
from benchmarks.read_api import Api, Client, served_result
from services.api.paging import wrap
from shared.db.queries import load
from shared.db.results.identifiers import in_results, quote_ident

_Sides = tuple[Callable[[], float], Callable[[], float]]

_PAGE: Final = 1_000
_LISTED: Final = 100
_NEAR: Final = Target(at_most=2)
_FLAT: Final = Target(at_most=1.5)
# Like those that are there, in bulk and without the triggers that write history.
_MORE: Final = """
insert into workflow_executions (id, workflow_id, amc_workflow_id, instance_id, account_id, state,
  owner, lane, turn, request_id, time_window_type, time_zone, deadline_seconds, amc_execution_id,
  created_at, admitted_at, submitted_at, finished_at, row_count, size_bytes)
select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
         || substr(md5((n + $2)::text), 1, 3) || '8' || substr(md5((n + $2)::text), 4, 15))::uuid,
       e.workflow_id, e.amc_workflow_id, e.instance_id, e.account_id, 'completed', e.owner, e.lane,
       n, e.request_id, e.time_window_type, e.time_zone, e.deadline_seconds, 'amc-' || n + $2::int,
       clock_timestamp(), clock_timestamp(), clock_timestamp(), clock_timestamp(), 2000, 200000
  from (select * from workflow_executions limit 1) e, generate_series(1, $1::int) n
"""

_CHANGE: Final = """
update workflow_executions set row_count = row_count + 1
 where id = any(array(select id from workflow_executions order by 1 desc limit $1))
"""


def run(context: Context) -> list[Row]:
    """Three pages, the list with known and with changed rows, a status, and how each kind grows."""
    rows = context.pick(full=5_000_000, quick=1_000_000, tiny=20_000)
    executions = context.pick(full=1_000_000, quick=100_000, tiny=2_000)
    with served_result(context, rows) as api:
        bench = _Bench(context, api)
        last = api.result.row_count - _PAGE
        places = {"first": 0, "middle": last // 2, "last": last}
        pages = bench.pages(places)
        few = bench.listed(1_000)
        many = bench.listed(executions)
        changed = bench.listed(executions, changed=True)
        floor = bench.floor()
    return [
        *(_row(f"read {name} page of {rows:,} rows", pairs) for name, pairs in pages.items()),
        _row("read list of 1,000", few),
        _row(f"read list of {executions:,}", many),
        _row(f"read list of {executions:,}, all changed", changed),
        floor.row("read status", Target(), unit="ms", note="the way there: one row by its key"),
        _growth("read last page over first", pages["last"], pages["first"]),
        _growth(f"read list of {executions:,} over 1,000", many, few),
    ]


def _nothing() -> None:
    """Before a request, where nothing has to happen."""


class _Bench:
    def __init__(self, context: Context, api: Api) -> None:
        self._context, self._api, self._client = context, api, api.connect()
        self._times = context.pick(full=100, quick=50, tiny=3)
        self._executions = 1

    def pages(self, places: Mapping[str, int]) -> dict[str, Pairs]:
        """Milliseconds for the 1,000 rows behind each place, which take turns."""
        cases = {name: self._page(after) for name, after in places.items()}
        return measure_in_turn(cases, pairs=self._context.pairs)

    def _page(self, after: int) -> _Sides:
        result = self._api.result
        path = f"/executions/{self._api.execution}/results?limit={_PAGE}"
        path += f"&cursor={wrap('results', after)}"
        names = ", ".join(quote_ident(column.name) for column in result.columns)
        query = (
            f"select {names} from {in_results(result.table_name)}"
            " where e = $1 and n > $2 and n <= $3 order by n"
        )
        return self._sides(path, query, result.execution_no, after, after + _PAGE)

    def floor(self) -> Pairs:
        """Milliseconds for an answer that reads one row at most: HTTP, token, routing, log line."""
        path = f"/executions/{self._api.execution}/status"
        return self._pairs(
            path, "select id from workflow_executions where id = $1", self._api.result.execution_id
        )

    def listed(self, executions: int, *, changed: bool = False) -> Pairs:
        """Milliseconds for the newest 100, with so many in the table; `changed`: each of them has
        been written anew before each request, so that nothing of it is known."""
        asyncio.run(_fill(self._api.database_url, self._executions, executions))
        self._executions = executions
        sql = load("executions_read")
        query = sql["executions_by_id"].replace(
            "any($1::uuid[])",
            "any(array(select id from workflow_executions order by 1 desc limit $1))",
        )
        before = (lambda: asyncio.run(_touch(self._api.database_url))) if changed else _nothing
        return self._pairs(f"/executions?limit={_LISTED}", query, _LISTED, before=before)

    def _pairs(
        self, path: str, query: str, *arguments: object, before: Callable[[], None] = _nothing
    ) -> Pairs:
        ours, rival = self._sides(path, query, *arguments, before=before)
        return measure_pairs(ours, rival, pairs=self._context.pairs)

    def _sides(
        self, path: str, query: str, *arguments: object, before: Callable[[], None] = _nothing
    ) -> _Sides:
        def rival() -> float:
            return asyncio.run(_queried(self._api.database_url, self._times, query, *arguments))

        return lambda: _asked(self._client, self._times, path, before), rival


def _row(name: str, pairs: Pairs) -> Row:
    return pairs.row(name, _NEAR, unit="ms")


def _growth(name: str, large: Pairs, small: Pairs) -> Row:
    return Pairs(large.ours, small.ours).row(name, _FLAT, unit="ms", note="both are ours")


def _asked(client: Client, times: int, path: str, before: Callable[[], None]) -> float:
    def ask() -> float:
        before()
        started = time.perf_counter()
        client.get(path)
        return time.perf_counter() - started

    ask()
    return statistics.median(ask() for _ in range(times)) * 1000


async def _queried(url: str, times: int, query: str, *arguments: object) -> float:
    connection = await asyncpg.connect(url)
    try:
        statement = await connection.prepare(query)
        return await _median(times, lambda: statement.fetch(*arguments))
    finally:
        await connection.close()


async def _median(times: int, ask: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(times + 1):
        started = time.perf_counter()
        await ask()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:]) * 1000


async def _touch(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(_CHANGE, _LISTED + 1)
    finally:
        await connection.close()


async def _fill(url: str, present: int, wanted: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(_MORE, wanted - present, present)
        await connection.execute("vacuum analyze workflow_executions")
        await connection.execute("checkpoint")
    finally:
        await connection.close()
