"""What the demo reads back: through the public API, and by plain SQL."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from deploy.local.problems import LocalStackError
from deploy.local.welcome import Api


@dataclass(frozen=True, slots=True)
class Row:
    """One execution, as shown."""

    id: str
    workflow: str
    instance: str
    state: str
    error: str
    rows: int | None
    size: int | None
    queued: float | None
    at_amc: float | None
    downloading: float | None


def read_rows(api: Api, wanted: Sequence[str]) -> list[Row]:
    """The executions with these ids, in their order."""
    found: dict[str, Row] = {}
    cursor: str | None = None
    while True:
        page = api.get("/executions", limit=200, **({"cursor": cursor} if cursor else {}))
        items = page["items"]
        if not isinstance(items, list):
            raise LocalStackError("the list of executions has no items")
        found.update({str(item["id"]): _row(item) for item in items})
        cursor = str(page["next_cursor"]) if page["has_more"] else None
        if cursor is None or all(each in found for each in wanted):
            return [found[each] for each in wanted if each in found]


def tokens_refreshed(api: Api) -> int:
    """Over all credentials."""
    items = api.get("/credentials", limit=200)["items"]
    if not isinstance(items, list):
        return 0
    return sum(int(item["refresh_count"]) for item in items)


def rows_by_sql(database_url: str, execution_ids: Sequence[str]) -> dict[str, int]:
    """Rows of each of these in schema `results`, counted by Postgres itself."""
    return asyncio.run(_rows_by_sql(database_url, execution_ids))


async def _rows_by_sql(database_url: str, execution_ids: Sequence[str]) -> dict[str, int]:
    connection = await asyncpg.connect(database_url)
    try:
        counted = {}
        for execution_id in execution_ids:
            row = await connection.fetchrow(
                "select no, result_table from workflow_executions where id = $1",
                execution_id.removeprefix("ex_"),
            )
            if row is None or row["result_table"] is None:
                continue
            query = 'select count(*) from results."{}" where e = $1'
            table = row["result_table"].replace('"', '""')
            counted[execution_id] = await connection.fetchval(query.format(table), row["no"])
        return counted
    finally:
        await connection.close()


def _row(item: dict[str, object]) -> Row:
    error = item["error"]
    return Row(
        id=str(item["id"]),
        workflow=str(item["workflow_name"]),
        instance=str(item["instance_id"]),
        state=str(item["status"]),
        error=f"{error['code']}: {error['message']}" if isinstance(error, dict) else "",
        rows=_number(item["row_count"]),
        size=_number(item["size_bytes"]),
        queued=_seconds(item, "created_at", "admitted_at"),
        at_amc=_seconds(item, "submitted_at", "remote_finished_at"),
        downloading=_seconds(item, "remote_finished_at", "finished_at")
        if item["status"] == "completed"
        else None,
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _seconds(item: dict[str, object], start: str, end: str) -> float | None:
    first, last = item[start], item[end]
    if not isinstance(first, str) or not isinstance(last, str):
        return None
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
