"""Mutated SQL is refused in words of ours, or it runs; nothing else happens to it.

AMCFLOW_TEST_FUZZ_EXAMPLES asks for more examples than CI has time for.
"""

import os
import re
from datetime import datetime
from threading import Timer

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from services.simulator.duck.facts import Facts
from services.simulator.duck.generator import generate
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.prepare import prepare
from services.simulator.duck.thresholds import Privacy
from services.simulator.duck.trial import UNFIT, said_of, try_out
from services.simulator.sql.source import CompileError
from tests.unit.services.simulator.duck.mutations import mutated

START, END = datetime(2026, 8, 1), datetime(2026, 8, 8)  # noqa: DTZ001  UTC, as the file has it
EXAMPLES = int(os.environ.get("AMCFLOW_TEST_FUZZ_EXAMPLES", "120"))
PATIENCE_SECONDS = 5.0
OURS = re.compile(r"\b[rw]\d+x?\.|\b[csmv]\d+\b|duckdb|DuckDB|Binder|Catalog|LATERAL|/tmp")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "tiny.duckdb"
    generate(DataPlan(7, "amcsimnwus1", 10, 0, 0).covering(START, END), path)
    with duckdb.connect(str(path), read_only=True, config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def refusal(sql: str) -> str | None:
    """What is said when a workflow with this query is saved."""
    try:
        try_out(prepare(sql, Facts(), Privacy()).sql)
    except CompileError as error:
        return str(error)
    return None


def failure(connection, sql: str) -> str | None:
    """What is said when it runs."""
    guarded = prepare(sql, Facts(START, END, END, values={}), Privacy())
    timer = Timer(PATIENCE_SECONDS, connection.interrupt)
    timer.start()
    try:
        rows = connection.execute(guarded.sql).fetchmany(100)
    except duckdb.Error as error:
        return said_of(error)
    finally:
        timer.cancel()
    assert all(len(row) == len(guarded.columns) for row in rows)
    return None


@pytest.mark.timeout(0)
@settings(
    max_examples=EXAMPLES,
    derandomize="AMCFLOW_TEST_FUZZ_EXAMPLES" not in os.environ,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(mutated())
def test_mutated_sql_is_refused_in_our_words_or_runs(tiny, sql):
    said = refusal(sql)
    if said is not None:
        assert said
        assert OURS.search(said.replace(sql, "")) is None, said
        return
    said = failure(tiny, sql)
    assert said != UNFIT, sql
    assert said != "The query was stopped.", sql
