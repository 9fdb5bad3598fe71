"""What a person sees while the demo runs: how many executions of each instance are where."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.local.demo.figures import Row
from deploy.local.welcome import INSTANCES

STATES = (
    "queued",
    "submitting",
    "pending",
    "running",
    "downloading",
    "completed",
    "failed",
    "cancelled",
)
_COLOURS = {
    "queued": "dim",
    "submitting": "cyan",
    "pending": "blue",
    "running": "yellow",
    "downloading": "magenta",
    "completed": "green",
    "failed": "red",
    "cancelled": "bright_black",
}
_PLAIN_EVERY_SECONDS = 3.0


@dataclass(slots=True)
class Screen:
    """The live table; on something that is no terminal, a line every few seconds."""

    console: Console
    started: float = field(default_factory=time.monotonic)
    _live: Live | None = None
    _last_line_at: float = 0.0
    _last_line: str = ""

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, rows: Sequence[Row], refreshed: int) -> None:
        """The states as they are now."""
        if self._live is not None:
            self._live.update(self._picture(rows, refreshed))
            return
        line = self._line(rows)
        now = time.monotonic()
        if line != self._last_line and now - self._last_line_at >= _PLAIN_EVERY_SECONDS:
            self._last_line, self._last_line_at = line, now
            self.console.print(f"  {now - self.started:5.1f} s  {line}")

    def _picture(self, rows: Sequence[Row], refreshed: int) -> Group:
        table = Table(title="executions by instance and state")
        table.add_column("instance")
        for state in STATES:
            table.add_column(state, justify="right", style=_COLOURS[state])
        for instance in INSTANCES:
            counts = Counter(row.state for row in rows if row.instance == instance)
            table.add_row(instance, *(str(counts[state] or "") for state in STATES))
        bar = Text()
        for state in reversed(STATES):
            bar.append("█" * sum(row.state == state for row in rows), style=_COLOURS[state])
        seconds = time.monotonic() - self.started
        return Group(table, bar, Text(f"{seconds:.0f} s, {refreshed} tokens refreshed"))

    def _line(self, rows: Sequence[Row]) -> str:
        counts = Counter(row.state for row in rows)
        return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])


def final_table(rows: Sequence[Row]) -> Table:
    """One line for each execution."""
    table = Table(title="what became of it")
    for name in ("workflow", "instance", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "bytes", "s queued", "s at AMC", "s downloading"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.workflow,
            row.instance,
            Text(row.state, style=_COLOURS[row.state]),
            *("" if value is None else f"{value:,}" for value in (row.rows, row.size)),
            *(
                "" if value is None else f"{value:.1f}"
                for value in (row.queued, row.at_amc, row.downloading)
            ),
        )
    return table
