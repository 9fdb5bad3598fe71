"""Runs the queries of EXAMPLES.md and writes their rows below them.

`python -m services.simulator.duck.examples`; a test compares the file with what it would write.
"""

import re
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb

from services.simulator.duck.facts import Facts
from services.simulator.duck.generator import generate
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.prepare import prepare
from services.simulator.duck.thresholds import Privacy

FILE = Path(__file__).parents[1] / "EXAMPLES.md"
_SHOWN = 6
_BLOCK = re.compile(r"```sql\n(.*?)```\n(?:\n```text\n.*?```\n)?", re.DOTALL)
_START, _END = datetime(2026, 8, 1), datetime(2026, 8, 8)  # noqa: DTZ001  UTC, as the file has it
PLAN = DataPlan(7, "amcsimnwus1", 8000, 0, 0).covering(_START, _END)
Answer = tuple[list[str], list[tuple[str | None, ...]]]


def answered(text: str, run: Callable[[str], Answer]) -> str:
    """The text with the rows of each query below it."""
    return _BLOCK.sub(lambda block: f"```sql\n{block[1]}```\n\n{_table(*run(block[1]))}", text)


def run_on(connection: duckdb.DuckDBPyConnection) -> Callable[[str], Answer]:
    """Asks the data of one file, with thresholds."""

    def run(sql: str) -> Answer:
        guarded = prepare(sql, Facts(_START, _END, _END, values={}), Privacy())
        rows = connection.execute(guarded.sql).fetchall()
        return [column.name for column in guarded.columns], rows

    return run


def _table(names: list[str], rows: list[tuple[str | None, ...]]) -> str:
    lines = [",".join(names), *(",".join(value or "" for value in row) for row in rows[:_SHOWN])]
    lines += [f"... {len(rows)} rows"] if len(rows) > _SHOWN else []
    return "```text\n" + "\n".join(lines) + "\n```\n"


def main() -> None:
    """Makes the data in a folder of their own and rewrites the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PLAN.file_name
        generate(PLAN, path)
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            FILE.write_text(answered(FILE.read_text("utf-8"), run_on(connection)), "utf-8")


if __name__ == "__main__":
    main()
