"""No row shows that rests on fewer users than its columns ask for.

Plans are random (`plans`), the oracle takes users away (`oracle`). The number of plans comes from
AMCFLOW_TEST_ORACLE_PLANS for whoever has more time than CI.
"""

import os
from datetime import datetime

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from services.simulator.duck.facts import Facts
from services.simulator.duck.generator import generate
from services.simulator.duck.plan import DataPlan
from services.simulator.sql.source import CompileError
from tests.unit.services.simulator.duck.oracle import Worlds, judge
from tests.unit.services.simulator.duck.plans import plans

USERS = 8
START, END = datetime(2026, 8, 1), datetime(2026, 8, 31)  # noqa: DTZ001  UTC, as the file has it
FACTS = Facts(START, END, values={})
PLANS = int(os.environ.get("AMCFLOW_TEST_ORACLE_PLANS", "40"))
REFUSALS = (
    "users behind",
    "would show each of them",
    "cannot meet a literal",
    "take too many paths",
)
"""Only a lack of proof refuses a plan: all of them are AMC's SQL."""


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "tiny.duckdb"
    generate(DataPlan(7, "amcsimnwus1", USERS, 0, 0).covering(START, END), path)
    with duckdb.connect(str(path), config={"threads": 1}) as connection:
        yield Worlds(connection, USERS)


@pytest.mark.timeout(0)
@settings(
    max_examples=PLANS,
    derandomize="AMCFLOW_TEST_ORACLE_PLANS" not in os.environ,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(sql=plans())
def test_every_row_of_any_plan_rests_on_enough_users(worlds, sql):
    try:
        verdict = judge(worlds, sql, FACTS)
    except CompileError as error:
        assert any(text in str(error) for text in REFUSALS), sql  # noqa: PT017  the text is it
    else:
        assert verdict.leaks == [], sql
