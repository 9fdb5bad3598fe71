"""`amcflow admin parked`: messages that nobody could handle."""

from collections.abc import Callable
from typing import Annotated, Final, cast

import typer

from cli.api import Api, Json, Refused, at
from cli.screen import Screen
from cli.session import AsJson, MaybeDuration, Most, api_of, moment_before, screen_of

app = typer.Typer(no_args_is_help=True, help="Messages that nobody could handle.")

_PATH: Final = ("admin", "parked")
_COLUMNS: Final = {
    "ID": "id",
    "STATUS": "status",
    "KIND": "kind",
    "REASON": "reason",
    "COUNT": "parked_count",
    "LAST PARKED": "last_parked_at",
    "EXECUTION": "execution_id",
    "ITS STATUS": "execution_status",
}
_MEMBERS: Final = {
    **{name.lower(): path for name, path in _COLUMNS.items()},
    "detail": "detail",
    "queue": "queue",
    "message id": "message_id",
    "request id": "request_id",
    "first parked": "parked_at",
    "size": "size_bytes",
    "body": "body",
    "body is cut": "body_is_cut",
}
_HISTORY: Final = {"AT": "at", "WHAT": "kind", "BY": "by", "DETAIL": "detail"}

Ids = Annotated[list[int] | None, typer.Argument(help="Numbers from the list.", show_default=False)]
Queue = Annotated[str | None, typer.Option(help="The queue they were taken from.")]
Kind = Annotated[str | None, typer.Option(help="Their type, such as cancel_stray.v1.")]
Reason = Annotated[str | None, typer.Option(help="The code of the error, such as bug.")]


@app.command("list")
def list_parked(
    context: typer.Context,
    *,
    queue: Queue = None,
    kind: Kind = None,
    reason: Reason = None,
    older_than: MaybeDuration = None,
    status: Annotated[str, typer.Option(help="open, redriven, discarded or all.")] = "open",
    limit: Most = 50,
    is_json: AsJson = False,
) -> None:
    """Parked messages, newest first."""
    query = {
        "queue": queue,
        "kind": kind,
        "reason": reason,
        "parked_before": moment_before(older_than),
        "status": status,
    }
    screen = screen_of(is_json)
    items = api_of(context).pages(at(*_PATH), query, limit=limit)
    if screen.items(items, _COLUMNS, none="Nothing is parked."):
        screen.next_step("amcflow admin parked show ID")


@app.command("show")
def show_parked(context: typer.Context, parked_id: int, *, is_json: AsJson = False) -> None:
    """One message with its reason, its history, and the beginning of its body."""
    screen = screen_of(is_json)
    shown = api_of(context).get(at(*_PATH, parked_id))
    screen.item(shown, _MEMBERS)
    if not is_json:
        screen.items(cast("list[Json]", shown["history"]), _HISTORY, none="")
        screen.next_step(_advice(shown))


@app.command("redrive")
def redrive(
    context: typer.Context,
    parked_ids: Ids = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All open ones that fit.")] = False,
    queue: Queue = None,
    kind: Kind = None,
    reason: Reason = None,
    older_than: MaybeDuration = None,
    is_json: AsJson = False,
) -> None:
    """Send messages again, once each.

    Correct the cause first: what fails again is parked again.
    """
    filters = {
        "queue": queue,
        "kind": kind,
        "reason": reason,
        "parked_before": moment_before(older_than),
    }
    if bool(parked_ids) == every or (parked_ids and any(filters.values())):
        raise typer.BadParameter("give numbers, or --all with or without filters")
    api, screen = api_of(context), screen_of(is_json)
    if every:
        _redrive_all(api, screen, {name: text for name, text in filters.items() if text})
        return
    _each(screen, parked_ids or [], lambda number: api.post(at(*_PATH, number, "redrive")))
    screen.next_step("amcflow admin parked list, to see whether any comes back")


@app.command("discard")
def discard(
    context: typer.Context,
    parked_ids: Annotated[list[int], typer.Argument(help="Numbers from the list.")],
    *,
    reason: Annotated[str, typer.Option(help="Why nobody will handle it; it is kept.")],
    is_json: AsJson = False,
) -> None:
    """Give messages up for good. They stay as records."""
    api = api_of(context)
    _each(
        screen_of(is_json),
        parked_ids,
        lambda number: api.post(at(*_PATH, number, "discard"), {"reason": reason}),
    )


def _redrive_all(api: Api, screen: Screen, filters: dict[str, str]) -> None:
    after, has_more = 0, True
    sent: list[object] = []
    left_alone: list[Json] = []
    while has_more:
        answer = api.post(at(*_PATH, "redrive"), {**filters, "after": after, "limit": 100})
        sent += cast("list[object]", answer["sent"])
        left_alone += cast("list[Json]", answer["left_alone"])
        after, has_more = cast("int", answer["after"]), bool(answer["has_more"])
    screen.item(
        {"sent": sent, "left_alone": left_alone, "sent_count": len(sent)}, {"sent": "sent_count"}
    )
    if left_alone and not screen.is_json:
        screen.items(left_alone, {"LEFT ALONE": "id", "WHY": "why"}, none="")
        screen.next_step("amcflow admin parked show ID, for each that was left alone")


def _each(screen: Screen, numbers: list[int], act: Callable[[int], Json]) -> None:
    """Every number is tried; one refusal is enough for the exit code."""
    done: list[Json] = []
    refused: list[Refused] = []
    for number in numbers:
        try:
            done.append(act(number))
        except Refused as error:
            screen.say(f"{number}: {error}\n  {error.hint}")
            refused.append(error)
    screen.items(done, _COLUMNS, none="")
    if refused:
        raise type(refused[0])(f"{len(refused)} of {len(numbers)} were left as they are.")


def _advice(shown: Json) -> str:
    number, execution = shown["id"], shown["execution_id"]
    if shown["status"] != "open":
        return "nothing; it is settled"
    if shown["execution_status"] in {"completed", "failed", "cancelled"}:
        return (
            f"amcflow executions show {execution}; retry it if it is still wanted, then"
            f" amcflow admin parked discard {number} --reason TEXT"
        )
    return f"correct the cause, then amcflow admin parked redrive {number}; or discard it"
