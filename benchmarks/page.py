"""Writes the figures of the last run into `docs/performance.md`: `python -m benchmarks.page`.

The words of the page are written by people; only what stands between two marks is replaced.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.frame import Row
from benchmarks.past_one_machine import has_all, measured_from, section
from benchmarks.report import LATEST, number, stored_rows
from deploy.local.paths import PROJECT

PAGE: Final = PROJECT / "docs" / "performance.md"
_MET: Final = {True: "yes", False: "**no**", None: "-"}


def main() -> int:
    """1 if there are no figures yet."""
    rows = stored_rows()
    if not rows:
        sys.stderr.write("no figures yet: run `make bench`\n")
        return 1
    PAGE.write_text(written(PAGE.read_text(), rows, machine_of(LATEST)))
    return 0


def written(page: str, rows: Sequence[Row], machine: str) -> str:
    """The page with these figures; what was not measured yet stays as it is."""
    page = between(page, "figures", f"{machine}\n\n{markdown(rows)}")
    if has_all(rows):
        page = between(page, "past one machine", section(measured_from(rows)))
    return page


def between(page: str, name: str, text: str) -> str:
    """The page with this text between its marks; ValueError if it has none of that name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"docs/performance.md has no marks for {name!r}")
    return f"{before}{begin}{text}\n{end}{after}"


def markdown(rows: Sequence[Row]) -> str:
    """The table of the day."""
    lines = [
        "| what | ours | rival | ratio | spread | pairs | target | met | how |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (
            row.name,
            f"{number(row.ours)} {row.unit}".strip(),
            "-" if row.rival is None else f"{number(row.rival)} {row.unit}".strip(),
            number(row.ratio),
            "-" if row.spread is None else f"{number(row.spread[0])} to {number(row.spread[1])}",
            str(row.pairs),
            row.target,
            _MET[row.met],
            row.note,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine_of(path: Path) -> str:
    """What it was measured on, in a sentence."""
    machine = json.loads(path.read_text())["machine"]
    return (
        f"Last run on {str(machine['measured_at'])[:10]}: {machine['cpus']} CPUs"
        f" ({machine['cpu']}), {machine['memory_mb'] // 1024} GB, Python {machine['python']},"
        f" size `{machine['size']}`, load before it {machine['load_before']}."
        " What it did not measure stands as an earlier run found it, maybe at another size."
    )


if __name__ == "__main__":
    sys.exit(main())
