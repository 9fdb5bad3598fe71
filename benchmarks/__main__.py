"""`python -m benchmarks [--quick] [--only name]`: measures, prints one table, keeps it as JSON."""

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.frame import Row, Size, open_context
from benchmarks.report import LATEST, keep, machine, show, stored_rows

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
    "simulator",
)

# What CI runs at the smallest size: processes, servers, both sides and the table, within a minute.
SMOKE = ("submit", "read")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all that were asked for ran; whether targets are met is for the reader."""
    given = _parser().parse_args(arguments)
    size = Size.TINY if given.tiny else Size.QUICK if given.quick else Size.FULL
    with tempfile.TemporaryDirectory(prefix="amcflow-bench-") as folder:
        # Tiny figures mean nothing, so they replace none.
        path = Path(folder) / "tiny.json" if size is Size.TINY else LATEST
        path = given.into or path
        if given.only:
            show(run_one(given.only, size, path), judged=size is not Size.TINY)
            return 0
        return _run_all(size, path)


def run_one(name: str, size: Size, path: Path) -> list[Row]:
    """Measure one benchmark and keep its rows."""
    module = importlib.import_module(f"benchmarks.{name}")
    where, started = machine(size), time.monotonic()
    _say(f"{name}: measuring")
    with open_context(size, say=lambda line: _say(f"{name}: {line}")) as context:
        rows: list[Row] = module.run(context)
    _say(f"{name}: {time.monotonic() - started:.0f} s")
    keep(rows, where, path)
    return rows


def _run_all(size: Size, path: Path) -> int:
    """Each in a process of its own: one that fails spoils no other."""
    failed = []
    for name in SMOKE if size is Size.TINY else NAMES:
        command = [sys.executable, "-m", "benchmarks", "--only", name, "--into", str(path)]
        if subprocess.run([*command, f"--{size}"], check=False).returncode:
            failed.append(name)
    show(stored_rows(path), judged=size is not Size.TINY)
    if failed:
        _say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", action="store_true", help="a smaller form of each")
    sizes.add_argument(
        "--tiny", action="store_true", help="a few of them, for breakage; keeps no figures"
    )
    sizes.add_argument("--full", action="store_true", help="the usual form")
    parser.add_argument("--only", choices=NAMES, help="one of them")
    parser.add_argument("--into", type=Path, help="the file that keeps the rows")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
