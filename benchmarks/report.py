"""Shows rows as a table and keeps them in a file that a later run of other benchmarks adds to."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.frame import Row, Size
from deploy.local.paths import PROJECT

LATEST = PROJECT / "benchmarks" / "latest.json"
_WORDS = {True: "met", False: "NOT met", None: "-"}
_THOUSAND = 1000


def machine(size: Size) -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": platform.platform(),
        "python": platform.python_version(),
        "size": str(size),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def show(rows: Sequence[Row], *, judged: bool = True) -> None:
    """Print the table; not judged, it says of no target whether it was met."""
    table = Table("what", "ours", "rival", "ratio", "spread", "target", "met", "note")
    for row in rows:
        table.add_row(
            row.name,
            f"{number(row.ours)} {row.unit}".strip(),
            "-" if row.rival is None else f"{number(row.rival)} {row.unit}".strip(),
            number(row.ratio),
            "-" if row.spread is None else f"{number(row.spread[0])}..{number(row.spread[1])}",
            row.target,
            _WORDS[row.met if judged else None],
            row.note,
        )
    Console(width=None if os.isatty(1) else 180).print(table)


def keep(rows: Sequence[Row], machine: dict[str, object], path: Path = LATEST) -> None:
    """Rows of benchmarks that did not run now stay as they were."""
    mine = {row.name for row in rows}
    kept = [old for old in _stored(path) if old["name"] not in mine]
    measured_at = machine["measured_at"]
    added = [{**asdict(row), "measured_at": measured_at} for row in rows]
    path.write_text(json.dumps({"machine": machine, "rows": [*kept, *added]}, indent=1) + "\n")


def stored_rows(path: Path = LATEST) -> list[Row]:
    """What earlier runs found; nothing if there was none."""
    known = {field.name for field in fields(Row)}
    return [
        Row(**{name: value for name, value in row.items() if name in known})
        for row in _stored(path)
    ]


def _stored(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"]
    return rows


def number(value: float | None) -> str:
    """Three significant digits, and no exponent."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= _THOUSAND else f"{value:.3g}"


def _cpu_model(lines: Iterable[str] | None = None) -> str:
    if lines is None:
        source = Path("/proc/cpuinfo")
        lines = source.read_text().splitlines() if source.exists() else ()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())
