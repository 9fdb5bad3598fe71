"""`amcflow admin reconcile`: what AMC has and no row of amcflow knows."""

import time
from collections.abc import Sequence
from typing import Annotated, Final, cast

import typer

from cli.api import Api, Json, Refused, at
from cli.screen import Screen
from cli.session import AsJson, MaybeDuration, Most, api_of, moment_before, screen_of
from cli.waiting import LOOK_SECONDS, WaitedTooLong

app = typer.Typer(no_args_is_help=True, help="What AMC has and no row of amcflow knows.")

_PATH: Final = ("admin", "reconciliations")
_RUNS: Final = {
    "ID": "id",
    "INSTANCE": "instance_id",
    "SINCE": "since",
    "STATUS": "status",
    "LISTED": "listed",
    "IN DOUBT": "found.in_doubt",
    "STRAY": "found.stray",
    "FOREIGN": "found.foreign",
    "COMPLETE": "is_complete",
    "ERROR": "error.code",
}
_FINDINGS: Final = {
    "AMC EXECUTION": "amc_execution_id",
    "KIND": "kind",
    "AT AMC": "amc_status",
    "CREATED": "created_at",
    "WORKFLOW": "workflow_id",
    "ATTEMPT OF": "attempt_of",
    "DECISION": "decision",
    "ADOPTED AS": "adopted_as",
}

RunId = Annotated[str, typer.Argument(help="rc_..., from start or list.")]
AmcId = Annotated[str, typer.Argument(help="AMC's id of the execution.")]
_OVER: Final = ("done", "failed")


@app.command("start")
def start(
    context: typer.Context,
    instance: Annotated[str | None, typer.Argument(help="Amazon's id; none: all.")] = None,
    *,
    since: MaybeDuration = None,
    wait: Annotated[bool, typer.Option(help="Wait for the result.")] = True,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait.")] = 300,
    is_json: AsJson = False,
) -> None:
    """Compare AMC's list with our rows.

    It reads what was made there since 24 hours ago, or --since.
    """
    api, screen = api_of(context), screen_of(is_json)
    asked = {"instance_id": instance, "since": moment_before(since)}
    body = {name: value for name, value in asked.items() if value is not None}
    runs = cast("Sequence[Json]", api.post(at(*_PATH), body)["items"])
    deadline = time.monotonic() + timeout
    while wait and any(run["status"] not in _OVER for run in runs):
        if time.monotonic() > deadline:
            screen.items(runs, _RUNS, none="")
            raise WaitedTooLong("A comparison is not over.", "amcflow admin reconcile list")
        time.sleep(LOOK_SECONDS)
        runs = [api.get(at(*_PATH, run["id"])) for run in runs]
    screen.items(runs, _RUNS, none="There are no instances.")
    if not is_json:
        _show_found(api, screen, runs)


@app.command("list")
def list_runs(
    context: typer.Context,
    *,
    instance: Annotated[str | None, typer.Option(help="Amazon's id.")] = None,
    limit: Most = 50,
    is_json: AsJson = False,
) -> None:
    """Comparisons, newest first."""
    items = api_of(context).pages(at(*_PATH), {"instance_id": instance}, limit=limit)
    screen_of(is_json).items(items, _RUNS, none="Nothing was compared yet.")


@app.command("show")
def show_run(
    context: typer.Context,
    run: RunId,
    *,
    kind: Annotated[str | None, typer.Option(help="in_doubt, stray or foreign.")] = None,
    limit: Most = 1000,
    is_json: AsJson = False,
) -> None:
    """What a comparison has found."""
    api, screen = api_of(context), screen_of(is_json)
    shown = api.get(at(*_PATH, run))
    items = api.pages(at(*_PATH, run, "executions"), {"kind": kind}, limit=limit)
    if is_json:
        screen.item({**shown, "executions": list(items)}, {})
        return
    screen.row(shown, _RUNS)
    if screen.items(items, _FINDINGS, none="It has found nothing that no row knows."):
        _advise(screen, run)


@app.command("adopt")
def adopt(context: typer.Context, run: RunId, execution: AmcId, *, is_json: AsJson = False) -> None:
    """Make it an execution of ours.

    It is followed if it runs, and downloaded if it has ended well.
    """
    screen = screen_of(is_json)
    finding = api_of(context).post(at(*_PATH, run, "executions", execution, "adopt"))
    screen.row(finding, _FINDINGS)
    if finding["adopted_as"] is not None:
        screen.next_step(f"amcflow executions wait {finding['adopted_as']}")


@app.command("cancel")
def cancel(
    context: typer.Context, run: RunId, execution: AmcId, *, is_json: AsJson = False
) -> None:
    """Have AMC cancel a stray. What does not carry our mark is never touched."""
    finding = api_of(context).post(at(*_PATH, run, "executions", execution, "cancel"))
    screen_of(is_json).row(finding, _FINDINGS)


def _show_found(api: Api, screen: Screen, runs: Sequence[Json]) -> None:
    for run in runs:
        found = cast("Json", run["found"])
        if any(found.values()):
            path = at(*_PATH, run["id"], "executions")
            screen.items(api.pages(path, {}, limit=1000), _FINDINGS, none="")
            _advise(screen, str(run["id"]))
    failed = [run for run in runs if run["status"] == "failed"]
    if failed:
        raise Refused(f"{len(failed)} of {len(runs)} comparisons failed; see ERROR.")


def _advise(screen: Screen, run: str) -> None:
    screen.next_step(
        f"amcflow admin reconcile adopt|cancel {run} AMC_EXECUTION; what is in doubt is settled"
        " without you, what is foreign may stay as it is"
    )
