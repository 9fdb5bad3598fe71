"""`amcflow executions`: ask for a run, follow it, cancel it."""

import json
import time
from pathlib import Path
from typing import Annotated, Final
from uuid import uuid4

import typer

from cli.api import Api, Json, Refused, Unreachable, at
from cli.screen import Screen
from cli.session import AsJson, Most, api_of, screen_of
from cli.waiting import LOOK_SECONDS, WaitedTooLong

app = typer.Typer(no_args_is_help=True, help="Ask for runs of workflows, follow and cancel them.")

_COLUMNS: Final = {
    "ID": "id",
    "STATUS": "status",
    "WORKFLOW": "workflow_name",
    "INSTANCE": "instance_id",
    "BY": "requested_by",
    "CREATED": "created_at",
    "FINISHED": "finished_at",
    "ROWS": "row_count",
    "ERROR": "error.code",
}
_MEMBERS: Final = {
    "id": "id",
    "status": "status",
    "waiting for": "waiting_for",
    "workflow": "workflow_name",
    "workflow id": "workflow_id",
    "instance": "instance_id",
    "at AMC": "amc_status",
    "AMC execution": "amc_execution_id",
    "requested by": "requested_by",
    "retry of": "retry_of",
    "created": "created_at",
    "submitted": "submitted_at",
    "finished": "finished_at",
    "rows": "row_count",
    "bytes": "size_bytes",
    "error": "error.code",
    "message": "error.message",
    "hint": "error.hint",
}
_FINAL: Final = ("completed", "failed", "cancelled")

Execution = Annotated[str, typer.Argument(help="ex_...")]
Timeout = Annotated[int, typer.Option(min=1, help="Seconds to wait.")]


@app.command("list")
def list_executions(
    context: typer.Context,
    *,
    status: Annotated[str | None, typer.Option(help="One or more, separated by commas.")] = None,
    instance: Annotated[str | None, typer.Option(help="Amazon's id.")] = None,
    workflow: Annotated[str | None, typer.Option(help="wf_...")] = None,
    limit: Most = 50,
    is_json: AsJson = False,
) -> None:
    """Executions, newest first."""
    query = {"status": status, "instance_id": instance, "workflow_id": workflow}
    items = api_of(context).pages("/executions", query, limit=limit)
    screen_of(is_json).items(items, _COLUMNS, none="There are no such executions.")


@app.command("show")
def show_execution(
    context: typer.Context, execution: Execution, *, is_json: AsJson = False
) -> None:
    """One execution: where it stands, and why."""
    screen_of(is_json).item(api_of(context).get(at("executions", execution)), _MEMBERS)


@app.command("run")
def run(
    context: typer.Context,
    workflow: Annotated[str, typer.Argument(help="wf_...")],
    instance: Annotated[str, typer.Argument(help="Amazon's id, such as amcabc123.")],
    *,
    request: Annotated[
        Path | None,
        typer.Option(help="JSON file with time_window, parameters, priority and so on."),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same asks once.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until it has ended.")] = False,
    timeout: Timeout = 86_400,
    is_json: AsJson = False,
) -> None:
    """Ask for one run of a workflow."""
    api, screen = api_of(context), screen_of(is_json)
    body = {**_request(request), "instance_id": instance}
    path = at("workflows", workflow, "executions")
    execution = str(_once(api, path, body, key or uuid4().hex)["id"])
    if wait:
        _wait(api, screen, execution, timeout)
        return
    screen.item(api.get(at("executions", execution)), _MEMBERS)
    screen.next_step(f"amcflow executions wait {execution}")


@app.command("wait")
def wait_for(
    context: typer.Context,
    execution: Execution,
    *,
    timeout: Timeout = 86_400,
    is_json: AsJson = False,
) -> None:
    """Wait until it has ended; the exit code is 0 if it is completed."""
    _wait(api_of(context), screen_of(is_json), execution, timeout)


@app.command("cancel")
def cancel(context: typer.Context, execution: Execution, *, is_json: AsJson = False) -> None:
    """Cancel it: at once while nothing was sent; otherwise AMC is asked, and its word counts."""
    api, screen = api_of(context), screen_of(is_json)
    status = api.post(at("executions", execution, "cancel"))["status"]
    screen.item(api.get(at("executions", execution)), _MEMBERS)
    if status not in _FINAL:
        screen.next_step(f"amcflow executions wait {execution}")


def _once(api: Api, path: str, body: Json, key: str) -> Json:
    """Asked under a key, so that asking again after no answer makes no second run."""
    try:
        return api.post(path, body, key=key)
    except Unreachable:
        time.sleep(LOOK_SECONDS)
        return api.post(path, body, key=key)


def _wait(api: Api, screen: Screen, execution: str, seconds: int) -> None:
    deadline = time.monotonic() + seconds
    while (shown := _look(api, execution, deadline))["status"] not in _FINAL:
        if time.monotonic() > deadline:
            raise WaitedTooLong(
                f"{execution} is {shown['status']} after {seconds} s.",
                f"It goes on: amcflow executions wait {execution}",
            )
        time.sleep(LOOK_SECONDS)
    screen.item(shown, _MEMBERS)
    if shown["status"] != "completed":
        raise Refused(f"{execution} is {shown['status']}.")
    screen.next_step(f"amcflow results download {execution}")


def _look(api: Api, execution: str, deadline: float) -> Json:
    """An API that restarts meanwhile does not end the waiting."""
    while True:
        try:
            return api.get(at("executions", execution))
        except Unreachable:
            if time.monotonic() > deadline:
                raise
        time.sleep(LOOK_SECONDS)


def _request(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path} is no JSON file: {error}") from error
    if not isinstance(content, dict):
        raise typer.BadParameter(f"{path} holds no JSON object")
    return content
