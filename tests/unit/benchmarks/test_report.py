"""The table of a run, as a file."""

import json
from pathlib import Path

from benchmarks.frame import Row
from benchmarks.report import keep, number, stored_rows

MACHINE: dict[str, object] = {"cpus": 2, "measured_at": "2026-01-01T00:00:00+00:00"}


def make_row(name: str, *, ours: float = 1.0) -> Row:
    return Row(name=name, ours=ours, rival=2.0, ratio=0.5, target="shown", met=None)


def test_the_file_has_the_machine_and_the_six_names_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"

    keep([make_row("submit")], MACHINE, path)

    stored = json.loads(path.read_text())
    assert stored["machine"] == MACHINE
    assert {"name", "ours", "rival", "ratio", "target", "met"} <= set(stored["rows"][0])


def test_a_run_of_one_benchmark_leaves_the_rows_of_others(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    keep([make_row("submit"), make_row("cost")], MACHINE, path)

    keep([make_row("submit", ours=9.0)], MACHINE, path)

    assert {row.name: row.ours for row in stored_rows(path)} == {"submit": 9.0, "cost": 1.0}


def test_before_the_first_run_there_are_no_rows(tmp_path: Path) -> None:
    assert stored_rows(tmp_path / "latest.json") == []


def test_numbers_are_shown_with_three_digits() -> None:
    assert [number(each) for each in (1234567.8, 12.345, 0.012345, None)] == [
        "1,234,568", "12.3", "0.0123", "-",
    ]  # fmt: skip
