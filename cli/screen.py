"""What the commands print: tables and sentences for people, JSON for programs.

Whatever comes from elsewhere is printed as plain text: no markup, no control characters.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.api import Json

_WIDTH_OF_A_PIPE: Final = 200


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a command's answer goes; sentences of advice go to stderr."""

    is_json: bool

    def items(self, items: Iterable[Json], columns: Mapping[str, str], *, none: str) -> int:
        """A list: each column is a heading with the path of its member. How many there were."""
        found = list(items)
        if self.is_json:
            self._json(found)
        elif found:
            table = Table(box=None, pad_edge=False, header_style="bold")
            for heading in columns:
                table.add_column(heading, overflow="fold")
            for item in found:
                table.add_row(*(_text(member(item, path)) for path in columns.values()))
            _console().print(table)
        elif none:
            self.say(none)
        return len(found)

    def row(self, item: Json, columns: Mapping[str, str]) -> None:
        """One thing, as a list would show it."""
        if self.is_json:
            self._json(item)
        else:
            self.items([item], columns, none="")

    def item(self, item: Json, members: Mapping[str, str]) -> None:
        """One thing, a line for each member that has a value."""
        if self.is_json:
            self._json(item)
            return
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for heading, path in members.items():
            value = member(item, path)
            if value is not None:
                table.add_row(heading, _text(value))
        _console().print(table)

    def say(self, sentence: str) -> None:
        """A sentence for people; a program reads stdout alone."""
        Console(stderr=True, highlight=False, soft_wrap=True).print(plain(sentence))

    def next_step(self, command: str) -> None:
        """What to do now."""
        if not self.is_json:
            self.say(f"next: {command}")

    @staticmethod
    def _json(value: object) -> None:
        sys.stdout.write(json.dumps(value, indent=2) + "\n")


def member(item: Json, path: str) -> object:
    """The member behind a path such as `error.code`, None where there is none."""
    found: object = item
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def plain(text: str) -> Text:
    """The text with everything that does not print written out."""
    return Text(
        "".join(
            each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
            for each in text
        )
    )


def _text(value: object) -> Text:
    match value:
        case None:
            return Text("-", style="dim")
        case bool():
            return Text("yes" if value else "no")
        case str():
            return plain(_moment(value))
        case Sequence():
            return plain(", ".join(str(each) for each in value))
        case _:
            return plain(str(value))


def _moment(text: str) -> str:
    """Times without fractions of seconds."""
    if len(text) < len("2026-01-01T00:00:00Z") or text[4:5] != "-" or "T" not in text:
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_OF_A_PIPE)
