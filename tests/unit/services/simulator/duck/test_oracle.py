"""No row shows that rests on fewer users than its columns ask for.

Plans are random (`plans`), the oracle takes users away (`oracle`). The number of plans comes from
AMCFLOW_TEST_ORACLE_PLANS for whoever has more time than CI.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from services.simulator.sql.source import CompileError
from tests.unit.services.simulator.duck.oracle import FACTS, judge
from tests.unit.services.simulator.duck.plans import plans

PLANS = int(os.environ.get("AMCFLOW_TEST_ORACLE_PLANS", "40"))
REFUSALS = (
    "users behind",
    "would show each of them",
    "cannot meet a literal",
    "take too many paths",
)
"""Only a lack of proof refuses a plan: all of them are AMC's SQL."""


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
