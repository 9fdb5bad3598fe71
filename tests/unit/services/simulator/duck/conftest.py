"""A small data set, made once, and a way to ask it."""

from collections.abc import Callable
from datetime import datetime

import duckdb
import pytest

from services.simulator.duck.facts import Facts
from services.simulator.duck.generator import generate
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.prepare import prepare
from services.simulator.duck.thresholds import Privacy
from tests.unit.services.simulator.duck.oracle import worlds_in

START, END = datetime(2026, 8, 1), datetime(2026, 8, 8)  # noqa: DTZ001  UTC, as the file has it
NOW = datetime(2026, 8, 20, 10, 30)  # noqa: DTZ001  likewise
PLAN = DataPlan(7, "amcsimnwus1", 8000, 0, 0).covering(START, END)
TYPES = {"n": "INTEGER", "site": "STRING", "names": "ARRAY<STRING>", "since": "DATE"}
VALUES = {"n": 3, "site": "it's {0} {*}", "names": ["a", "b"], "since": "2026-08-02"}
FACTS = Facts(START, END, NOW, TYPES, VALUES)
Ask = Callable[..., list[tuple[str | None, ...]]]


@pytest.fixture(scope="session")
def data_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / PLAN.file_name
    generate(PLAN, path)
    return path


@pytest.fixture(scope="session")
def connection(data_file):
    with duckdb.connect(str(data_file), read_only=True, config={"threads": 1}) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """For the oracle: few users, who can be taken away."""
    with worlds_in(tmp_path_factory.mktemp("tiny") / "tiny.duckdb") as made:
        yield made


@pytest.fixture
def ask(connection) -> Ask:
    """Rows of a query, as texts."""

    def asking(sql: str, facts: Facts = FACTS, **privacy):
        return connection.execute(prepare(sql, facts, Privacy(**privacy)).sql).fetchall()

    return asking


@pytest.fixture
def prepared() -> Callable[[str], str]:
    """What DuckDB is given for a query that is tried out."""
    return lambda sql: prepare(sql, Facts(types=TYPES), Privacy()).sql


@pytest.fixture
def raw(connection) -> Ask:
    """Rows of DuckDB's own SQL over the data file."""
    return lambda sql: connection.execute(sql).fetchall()
