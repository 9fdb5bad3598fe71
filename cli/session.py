"""What all commands share: the API from the environment, and the options they have in common."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, cast

import httpx
import typer

from cli.api import Api, Refused, open_http
from cli.screen import Screen

URL_VARIABLE: Final = "AMCFLOW_URL"
TOKEN_VARIABLE: Final = "AMCFLOW_TOKEN"  # noqa: S105 - a name
_DEFAULT_URL: Final = "http://127.0.0.1:8000"
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class SettingsMissing(Refused):
    """The environment lacks something."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Session:
    """One call of the command line. The token comes from the environment alone: an option would
    stay in the shell's history and show in the list of processes."""

    environment: Mapping[str, str] = field(repr=False)
    transport: httpx.BaseTransport | None = None

    def api(self) -> Api:
        """SettingsMissing without a token."""
        token = self.environment.get(TOKEN_VARIABLE, "").strip()
        if not token or not token.isascii() or not token.isprintable():
            raise SettingsMissing(
                f"{TOKEN_VARIABLE} is not set, or is no token.",
                "Make one with `python -m services.api.tokens create NAME` and export it.",
            )
        url = self.environment.get(URL_VARIABLE, "").strip() or _DEFAULT_URL
        if not url.startswith(("http://", "https://")):
            raise SettingsMissing(
                f"{URL_VARIABLE} is no address.", f"Such as {_DEFAULT_URL}, without a path."
            )
        return Api(open_http(url, token, self.transport))


def api_of(context: typer.Context) -> Api:
    """The API this call asks, until it ends."""
    root = context.find_root()
    api = cast("Session", root.obj).api()
    root.call_on_close(api.http.close)
    return api


def screen_of(is_json: bool) -> Screen:
    """Where this call's answer goes."""
    return Screen(is_json)


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None:
        raise typer.BadParameter("a number with s, m, h or d, such as 90m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def moment_before(age: timedelta | None) -> str | None:
    """So long ago, as the API reads it."""
    return None if age is None else (datetime.now(UTC) - age).isoformat()


AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")]
Most = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]
Duration = Annotated[timedelta, typer.Option(parser=_duration, metavar="AGE")]
MaybeDuration = Annotated[
    timedelta | None,
    typer.Option(parser=_duration, metavar="AGE", help="Such as 90m, 24h or 7d."),
]
