"""`python -m benchmarks [--quick] [--only name]`: measures, prints one table, keeps it as JSON."""

import argparse
import importlib
import sys
import time
from collections.abc import Sequence

from benchmarks.frame import Row, Size, open_context
from benchmarks.report import keep, machine, show

NAMES = (
    "submit",
    "intake",
    "dispatch",
    "budget",
    "polling",
    "load",
    "export",
    "read",
    "scale",
    "fairness",
    "end_to_end",
    "cost",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all of them ran; whether targets are met is for the reader."""
    given = _parser().parse_args(arguments)
    size = Size.TINY if given.tiny else Size.QUICK if given.quick else Size.FULL
    names = [given.only] if given.only else list(NAMES)
    rows = [row for name in names for row in run_one(name, size)]
    show(rows)
    return 0


def run_one(name: str, size: Size) -> list[Row]:
    """Measure one benchmark and keep its rows at once: a later one may fail."""
    module = importlib.import_module(f"benchmarks.{name}")
    where, started = machine(size), time.monotonic()
    _say(f"{name}: measuring")
    with open_context(size, say=lambda line: _say(f"{name}: {line}")) as context:
        rows: list[Row] = module.run(context)
    _say(f"{name}: {time.monotonic() - started:.0f} s")
    if size is not Size.TINY:
        keep(rows, where)
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", action="store_true", help="a smaller form of each")
    sizes.add_argument("--tiny", action="store_true", help="for breakage; keeps no figures")
    parser.add_argument("--only", choices=NAMES, help="one of them")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
