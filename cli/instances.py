"""`amcflow admin instances`: what may start where."""

from typing import Annotated, Final

import typer

from cli.api import at
from cli.session import AsJson, Most, api_of, screen_of

app = typer.Typer(no_args_is_help=True, help="Pause and resume instances.")

_COLUMNS: Final = {
    "INSTANCE": "id",
    "NAME": "name",
    "PAUSED": "paused",
    "BY": "paused_by",
    "WHY": "pause_reason",
    "AT ONCE": "max_concurrent_executions",
    "CALLS A SECOND": "max_requests_per_second",
    "A DAY": "daily_execution_quota",
}
_LIMITS: Final = {
    "instance": "instance_id",
    "paused": "paused",
    "running": "in_use",
    "queued": "queued",
    "at once": "max_concurrent_executions",
    "account running": "account_in_use",
    "account at once": "account_max_concurrent_executions",
    "quota left": "quota_left",
    "no calls before": "requests_paused_until",
    "no admission before": "admission_paused_until",
    "credential": "credential_status",
}

Instance = Annotated[str, typer.Argument(help="Amazon's id, such as amcabc123.")]


@app.command("list")
def list_instances(context: typer.Context, *, limit: Most = 500, is_json: AsJson = False) -> None:
    """All instances with their limits."""
    items = api_of(context).pages("/instances", {}, limit=limit)
    screen_of(is_json).items(items, _COLUMNS, none="There are no instances.")


@app.command("show")
def show_instance(context: typer.Context, instance: Instance, *, is_json: AsJson = False) -> None:
    """What is used of its limits now, and what holds it back."""
    screen_of(is_json).item(api_of(context).get(at("instances", instance, "limits")), _LIMITS)


@app.command("pause")
def pause(
    context: typer.Context,
    instance: Instance,
    *,
    reason: Annotated[str, typer.Option(help="Why; everybody sees it.")],
    is_json: AsJson = False,
) -> None:
    """Start nothing more here. What runs at AMC goes on, and requests are still accepted."""
    api, screen = api_of(context), screen_of(is_json)
    api.post(at("instances", instance, "pause"), {"reason": reason})
    screen.item(api.get(at("instances", instance, "limits")), _LIMITS)
    screen.next_step(f"amcflow admin instances resume {instance}, when the cause is gone")


@app.command("resume")
def resume(context: typer.Context, instance: Instance, *, is_json: AsJson = False) -> None:
    """Start what waits, at once, as far as limits allow."""
    api = api_of(context)
    api.post(at("instances", instance, "resume"))
    screen_of(is_json).item(api.get(at("instances", instance, "limits")), _LIMITS)
