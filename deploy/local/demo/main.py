"""`make demo`: the main job on a stack of its own, watched, checked and cleared away.

Exit code 0 only if every execution ended as it should, the simulator made exactly the executions
that were meant to reach it, and the rows in `results` are the rows the API tells of.
"""

import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from deploy.local.demo.figures import Row, read_rows, rows_by_sql, tokens_refreshed
from deploy.local.demo.requests import Asked, ask, prepare
from deploy.local.demo.screen import Screen, final_table
from deploy.local.paths import HOME
from deploy.local.stack import RunningStack, StackOptions, running_stack
from deploy.local.welcome import Api, register

_FINAL = {"completed", "failed", "cancelled"}
_PATIENCE_SECONDS = 180
_LOOK_SECONDS = 0.4
_WIDTH_OF_A_FILE = 150

# AMC ten times as fast as in life, and tokens that live for seconds instead of an hour.
_SIMULATOR = {
    "TIME_SCALE": "10",
    "TOKEN_LIFETIME_SECONDS": "12",
    "DURATION_PROFILE": "uniform:60:120",
    "MAX_CONCURRENT_EXECUTIONS": "4",
}
_SERVICES = {
    "AMCFLOW_POLL_SHORTEST_SECONDS": "0.7",
    "AMCFLOW_FIRST_LOOK_SECONDS": "1",
    "AMCFLOW_LOG_LEVEL": "INFO",
}


def main() -> int:
    """The exit code."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    HOME.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=HOME))
    options = StackOptions(
        folder=folder / "data",
        logs=HOME / "logs" / "demo",
        simulator=_SIMULATOR,
        services=_SERVICES,
        fixed_ports=False,
    )
    try:
        with running_stack(options, say=lambda line: console.print(f"demo: {line}")) as stack:
            return _run(stack, console)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(stack: RunningStack, console: Console) -> int:
    api = Api(stack.api_url, stack.secrets.service_token)
    try:
        register(api)
        ids = prepare(api)
        started = time.monotonic()
        refreshed_before = tokens_refreshed(api)
        with Screen(console, started) as screen:
            asked, rows = _drive(stack, api, ids, screen)
        seconds = time.monotonic() - started
        refreshed = tokens_refreshed(api)
        console.print(final_table(rows))
        _say_refusals(rows, console)
        problems = _judge(stack, asked, rows)
        _show_largest(api, stack, rows, console)
        if refreshed - refreshed_before < 2:  # noqa: PLR2004 ("several are refreshed on the way")
            problems.append("tokens live for 12 s, but fewer than two were refreshed on the way")
    finally:
        api.close()
    for problem in problems:
        console.print(f"demo: not as it should be: {problem}", style="red", soft_wrap=True)
    states = Counter(row.state for row in rows)
    total = sum(row.rows or 0 for row in rows)
    console.print(
        f"demo: {states['completed']} completed, {states['failed']} failed as expected,"
        f" {states['cancelled']} cancelled, {refreshed} tokens refreshed, {total} rows,"
        f" {seconds:.0f} s",
        highlight=False,
        soft_wrap=True,
    )
    return 1 if problems else 0


def _drive(
    stack: RunningStack, api: Api, ids: dict[str, str], screen: Screen
) -> tuple[Asked, list[Row]]:
    def show(asked: Asked) -> list[Row]:
        rows = read_rows(api, list(asked.expected))
        screen.show(rows, tokens_refreshed(api))
        time.sleep(_LOOK_SECONDS)
        return rows

    asked = ask(api, stack.found.amqp_url, ids, lambda so_far: void(show(so_far)))
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        rows = show(asked)
        if all(row.state in _FINAL for row in rows) or time.monotonic() > give_up_at:
            return asked, rows


def void(_: object) -> None:
    """For a callback whose result nobody wants."""


def _judge(stack: RunningStack, asked: Asked, rows: list[Row]) -> list[str]:
    problems = [
        f"{row.id} ({row.workflow} on {row.instance}) is {row.state}, not"
        f" {asked.expected[row.id]} {row.error}"
        for row in rows
        if row.state != asked.expected[row.id]
    ]
    return [*problems, *_compare_rows(stack, rows), *_compare_with_amc(stack, asked)]


def _say_refusals(rows: list[Row], console: Console) -> None:
    for row in rows:
        if row.state == "failed":
            console.print(f"refused by AMC, as expected: {row.error}", soft_wrap=True)


def _show_largest(api: Api, stack: RunningStack, rows: list[Row], console: Console) -> None:
    completed = [row for row in rows if row.state == "completed"]
    if completed:
        _show_result(api, stack, max(completed, key=lambda row: row.rows or 0), console)


def _compare_rows(stack: RunningStack, rows: list[Row]) -> list[str]:
    counted = rows_by_sql(stack.found.database_url, [row.id for row in rows])
    return [
        f"{row.id}: the API tells of {row.rows} rows, SQL counts {counted.get(row.id)}"
        for row in rows
        if row.state == "completed" and counted.get(row.id) != row.rows
    ]


def _compare_with_amc(stack: RunningStack, asked: Asked) -> list[str]:
    """The simulator's own book: one execution for each that was to reach AMC, no limit broken."""
    stats = httpx.get(f"{stack.simulator_url}/_simulator/stats", trust_env=False).json()
    created = sum(each["executions_created"] for each in stats["instances"].values())
    meant = sum(state == "completed" for state in asked.expected.values()) + 1
    problems = []
    if created != meant:
        problems.append(f"AMC made {created} executions, {meant} were meant to reach it")
    return problems


def _show_result(api: Api, stack: RunningStack, row: Row, console: Console) -> None:
    page = api.get(f"/executions/{row.id}/results", limit=10)
    columns, items = page["columns"], page["items"]
    table = Table(title=f"the first ten rows of {row.id} ({row.workflow}), read through the API")
    names = [str(column["name"]) for column in columns] if isinstance(columns, list) else []
    for name in names:
        table.add_column(name, overflow="fold")
    for item in items if isinstance(items, list) else ():
        values = [item[name] for name in names] if isinstance(item, dict) else item
        table.add_row(*("" if value is None else str(value) for value in values))
    console.print(table)
    counted = rows_by_sql(stack.found.database_url, [row.id])[row.id]
    console.print(f"of {row.rows} rows by the API; SQL counts {counted} in schema results")
