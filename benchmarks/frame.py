"""What a benchmark is given and what it gives back: a context, pairs of measurements, rows.

A pair is ours and its rival measured one after the other in the same run, the order changing from
pair to pair; the ratio is always ours over rival, and a row tells the median of the pairs' ratios.
"""

import contextlib
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from typing_extensions import override

from deploy.local.backends import Found, backends
from deploy.local.paths import HOME, PROJECT
from deploy.local.profiles import DURABLE
from deploy.migrate import migrate

T = TypeVar("T")

PAIRS = 3
RIVAL_PYTHON = PROJECT / ".venv-bench" / "bin" / "python"


class RivalsMissing(Exception):
    """The packages of the rivals are not installed."""


class Size(StrEnum):
    """How much work a run does; the method is the same in all."""

    FULL = "full"
    QUICK = "quick"
    TINY = "tiny"
    """For breakage only: nobody judges its figures."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bound of the ratio; without one the ratio is only shown."""

    at_least: float | None = None
    at_most: float | None = None

    def met_by(self, value: float) -> bool | None:
        """None where there is nothing to meet."""
        if self.at_least is not None:
            return value >= self.at_least
        return None if self.at_most is None else value <= self.at_most

    @override
    def __str__(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "shown" if self.at_most is None else f"<= {self.at_most:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `ours` and `rival` are medians in `unit`, their ratio ours/rival.

    `spread` is the smallest and the largest ratio of the pairs. A row that has more to meet than
    its ratio says so in `note` and sets `met` itself.
    """

    name: str
    ours: float
    rival: float | None
    ratio: float | None
    target: str
    met: bool | None
    unit: str = ""
    pairs: int = 1
    spread: tuple[float, float] | None = None
    note: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    """Figures for plots and for the page of the day; not printed."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Values of both sides in the order in which they were measured."""

    ours: tuple[float, ...]
    rival: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(a / b for a, b in zip(self.ours, self.rival, strict=True))

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    def row(
        self,
        name: str,
        target: Target,
        *,
        unit: str,
        note: str = "",
        details: Mapping[str, object] | None = None,
    ) -> Row:
        """The row of these pairs, judged by their ratio alone."""
        return Row(
            name=name,
            ours=statistics.median(self.ours),
            rival=statistics.median(self.rival),
            ratio=self.ratio,
            target=str(target),
            met=target.met_by(self.ratio),
            unit=unit,
            pairs=len(self.ours),
            spread=(min(self.ratios), max(self.ratios)),
            note=note,
            details=details or {},
        )


def measure_pairs(
    ours: Callable[[], float], rival: Callable[[], float], *, pairs: int = PAIRS
) -> Pairs:
    """Measures in turn; every second pair begins with the rival."""
    return measure_in_turn({"": (ours, rival)}, pairs=pairs)[""]


def measure_in_turn(
    cases: Mapping[str, tuple[Callable[[], float], Callable[[], float]]], *, pairs: int = PAIRS
) -> dict[str, Pairs]:
    """A pair of each case (ours, rival), then the next of each: what slows the machine down for a
    while falls on all cases that are to be compared."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in cases}
    for number in range(pairs):
        for name, measures in cases.items():
            sides = tuple(zip(measures, found[name], strict=True))
            for measure, values in sides if number % 2 == 0 else reversed(sides):
                values.append(measure())
    return {name: Pairs(tuple(ours), tuple(rival)) for name, (ours, rival) in found.items()}


@dataclass(frozen=True, slots=True)
class Context:
    """Where and how much a benchmark measures."""

    size: Size
    folder: Path
    """On a disk, not in memory; gone at the end of the run."""
    logs: Path
    say: Callable[[str], None] = print

    def pick(self, *, full: T, quick: T, tiny: T) -> T:
        """The amount of work for this size."""
        return {Size.FULL: full, Size.QUICK: quick, Size.TINY: tiny}[self.size]

    @property
    def pairs(self) -> int:
        return 1 if self.size is Size.TINY else PAIRS

    @contextlib.contextmanager
    def servers(self) -> Iterator[Found]:
        """Postgres and RabbitMQ of this benchmark alone: durable, migrated, queues declared."""
        folder = Path(tempfile.mkdtemp(prefix="servers-", dir=self.folder))
        folder.chmod(0o711)  # the server may run as another user, who has to pass through
        try:
            with backends(folder=folder, profile=DURABLE) as found:
                migrate(found.database_url, found.amqp_url)
                yield found
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def new_folder(self, name: str) -> Path:
        """An empty folder on the disk, for a stack or for files."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        folder.chmod(0o711)
        return folder

    def rival_python(self) -> Path:
        """The interpreter with celery and taskiq; RivalsMissing says how to get it."""
        if not RIVAL_PYTHON.exists():
            raise RivalsMissing("The rivals are not installed: run `deploy/bin/setup-bench`.")
        return RIVAL_PYTHON


@contextlib.contextmanager
def open_context(size: Size, *, say: Callable[[str], None] = print) -> Iterator[Context]:
    """A context whose folder is gone afterwards."""
    home = HOME / "bench"
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=home))
    folder.chmod(0o711)
    try:
        yield Context(size=size, folder=folder, logs=logs, say=say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
