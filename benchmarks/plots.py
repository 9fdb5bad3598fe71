"""Draws `docs/plots/*.svg` from `latest.json`: `.venv-bench/bin/python -m benchmarks.plots`.

Runs with the rivals' interpreter, which has matplotlib; so it imports nothing of ours.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib import pyplot as plt

_ROOT: Final = Path(__file__).parents[1]
_FOLDER: Final = _ROOT / "docs" / "plots"
_MET: Final = {True: "#2a7f62", False: "#b3443c", None: "#7a7a7a"}
_TICKS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_BOUND: Final = re.compile(r"[<>]= ([\d.]+)")
_Row = dict[str, Any]


def main() -> None:
    """All plots for which there are rows."""
    # Ids and dates would differ each time, and with them the files.
    mpl.rcParams.update({"svg.hashsalt": "amcflow", "font.size": 9, "svg.fonttype": "none"})
    rows: list[_Row] = json.loads((_ROOT / "benchmarks" / "latest.json").read_text())["rows"]
    _FOLDER.mkdir(parents=True, exist_ok=True)
    _ratios([row for row in rows if row["ratio"] is not None and row["spread"] is not None])
    memory = [row for row in rows if row["name"] == "cost: memory"]
    if memory:
        _memory(memory[0]["details"]["by_executions"])


def _ratios(rows: list[_Row]) -> None:
    """One line for each row: median and spread of ours over rival, and the target."""
    figure, axes = plt.subplots(figsize=(7.2, 0.4 + 0.34 * len(rows)), layout="constrained")
    for place, row in enumerate(reversed(rows)):
        colour = _MET[row["met"]]
        axes.plot(row["spread"], [place, place], color=colour, linewidth=4, alpha=0.35)
        axes.plot(row["ratio"], place, "o", color=colour)
        if bound := _BOUND.fullmatch(row["target"]):
            axes.plot(float(bound[1]), place, "|", color="black", markersize=14)
    axes.set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in _TICKS if low <= tick <= high])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel("ours / rival: median, spread of the pairs; the line is the target")
    axes.grid(axis="x", which="both", alpha=0.25)
    _save(figure, "ratios")


def _memory(points: list[list[Any]]) -> None:
    """Megabytes of each service after so many executions."""
    figure, axes = plt.subplots(figsize=(7.2, 2.8), layout="constrained")
    executions = [number for number, _ in points]
    for service in points[0][1]:
        axes.plot(executions, [services[service] for _, services in points], label=service)
    axes.set_xlabel("executions done")
    axes.set_ylabel("MB")
    axes.set_ylim(bottom=0)
    axes.legend(ncols=3, frameon=False)
    _save(figure, "memory")


def _save(figure: Any, name: str) -> None:
    figure.savefig(_FOLDER / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
