"""Results as AMC would write them: narrow, wide, of any size, with the types it would declare."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from shared.db.results.types import declared_type

_BLOCK_BYTES: Final = 4 * 1024 * 1024
_SEED: Final = 20_260_101
_WORDS: Final = (
    "Brand",
    "Sommerschlussverkauf – Schuhe",
    "prime, video",
    'he said ""now""',
    "ブランド認知 春",
    "línea de otoño",
    "two\nlines",
    "plain text without anything in it",
)

Value = Callable[[random.Random], str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column with AMC's word for its type."""

    name: str
    amc_type: str
    value: Value

    @property
    def sql(self) -> str:
        """As the result store would have it, for the plain table of the rival."""
        return f'"{self.name}" {declared_type(self.name, self.amc_type)}'


def _whole(digits: int, rnd: random.Random) -> str:
    return str(rnd.randrange(10**digits))


def _id(rnd: random.Random) -> str:
    return f"{rnd.randrange(10**12):012d}"


def _word(rnd: random.Random) -> str:
    return f"campaign {rnd.randrange(10**6)}"


def _money(rnd: random.Random) -> str:
    return f"{rnd.random() * 1000:.4f}"


def _day(rnd: random.Random) -> str:
    return f"2026-{rnd.randrange(1, 13):02d}-{rnd.randrange(1, 29):02d}"


def _moment(rnd: random.Random) -> str:
    return f"{_day(rnd)}T{rnd.randrange(24):02d}:{rnd.randrange(60):02d}:00Z"


def _truth(rnd: random.Random) -> str:
    return "true" if rnd.random() < 0.5 else "false"


def _quoted(rnd: random.Random) -> str:
    return f'"{rnd.choice(_WORDS)} {rnd.randrange(1000)}"'


NARROW: Final = (
    Column("campaign_id", "STRING", _id),
    Column("campaign", "STRING", _word),
    Column("impressions", "LONG", partial(_whole, 8)),
    Column("clicks", "LONG", partial(_whole, 5)),
    Column("purchases", "LONG", partial(_whole, 3)),
    Column("spend", "DOUBLE", _money),
    Column("day", "DATE", _day),
)
"""Some 70 bytes a row."""

WIDE: Final = (
    *(Column(f"text_{n}", "STRING", _quoted) for n in range(12)),
    *(Column(f"count_{n}", "LONG", partial(_whole, 3 + n)) for n in range(12)),
    *(Column(f"amount_{n}", "DOUBLE", _money) for n in range(8)),
    *(Column(f"day_{n}", "DATE", _day) for n in range(4)),
    *(Column(f"seen_{n}", "TIMESTAMP", _moment) for n in range(2)),
    *(Column(f"is_{n}", "BOOLEAN", _truth) for n in range(2)),
)
"""40 columns, a third of them quoted text with commas, quotes, line breaks and UTF-8."""


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file and what is in it."""

    path: Path
    columns: Sequence[Column]
    rows: int

    @property
    def size(self) -> int:
        return self.path.stat().st_size


def write_rows(path: Path, columns: Sequence[Column], rows: int) -> ResultFile:
    """So many rows, all different."""
    rnd = random.Random(_SEED)  # noqa: S311 - no secret
    with path.open("wb") as file:
        file.write(_header(columns))
        file.writelines(_line(columns, rnd) for _ in range(rows))
    return ResultFile(path, columns, rows)


def write_size(path: Path, columns: Sequence[Column], size: int) -> ResultFile:
    """A file of about `size` bytes: some megabytes of rows, over and over."""
    rnd = random.Random(_SEED)  # noqa: S311 - no secret
    lines, length = [], 0
    while length < min(_BLOCK_BYTES, size):
        lines.append(_line(columns, rnd))
        length += len(lines[-1])
    block, times = b"".join(lines), max(size // length, 1)
    with path.open("wb") as file:
        file.write(_header(columns))
        for _ in range(times):
            file.write(block)
    return ResultFile(path, columns, len(lines) * times)


def _header(columns: Sequence[Column]) -> bytes:
    return (",".join(column.name for column in columns) + "\n").encode()


def _line(columns: Sequence[Column], rnd: random.Random) -> bytes:
    return (",".join(column.value(rnd) for column in columns) + "\n").encode()
