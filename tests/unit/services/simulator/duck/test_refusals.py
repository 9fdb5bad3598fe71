"""What is refused, in which words and at which place."""

import re

import pytest

from services.simulator.duck.facts import Facts
from services.simulator.duck.prepare import prepare
from services.simulator.duck.thresholds import Privacy
from services.simulator.duck.trial import TOO_LONG, try_out
from services.simulator.sql.compiler import MOST_CHARACTERS, compile_query
from services.simulator.sql.source import CompileError
from tests.unit.services.simulator.duck.conftest import TYPES

LITERAL = "A column with aggregation threshold HIGH or VERY_HIGH cannot meet a literal"
REFUSED = [
    (
        "SELECT user_id, COUNT(*) AS n FROM dsp_clicks GROUP BY 1",
        (
            "From line 1, column 8 to line 1, column 14: Column 'user_id' with aggregation"
            " threshold VERY_HIGH cannot be selected"
        ),
    ),
    ("SELECT campaign FROM dsp_clicks", "The query must contain at least one aggregate function."),
    (
        "SELECT campaign, COUNT(*) AS n FROM dsp_clicks WHERE user_id = 'u' GROUP BY 1",
        f"From line 1, column 54 to line 1, column 66: {LITERAL}",
    ),
    (
        "SELECT COUNT(*) AS n FROM dsp_clicks WHERE postal_code IN ('1', '2')",
        f"From line 1, column 44 to line 1, column 68: {LITERAL}",
    ),
    (
        "SELECT COUNT(*) AS n FROM dsp_clicks WHERE CONCAT(city_name, '') = 'x'",
        f"From line 1, column 44 to line 1, column 70: {LITERAL}",
    ),
    (
        "SELECT COUNT(*) AS n FROM dsp_clicks\nWHERE city_name LIKE 'T%'",
        f"From line 2, column 7 to line 2, column 25: {LITERAL}",
    ),
    (
        "SELECT campaign, site, SUM(clicks) AS n FROM dsp_clicks GROUP BY campaign",
        "From line 1, column 18 to line 1, column 21: Expression 'site' is not being grouped",
    ),
    (
        "SELECT COUNT(*) AS n FROM dsp_clicks WHERE SUM(clicks) > 1",
        (
            "From line 1, column 44 to line 1, column 54:"
            " Aggregate expression is illegal in WHERE clause"
        ),
    ),
    (
        "SELECT SUM(clicks) AS n FROM dsp_clicks GROUP BY SUM(clicks)",
        (
            "From line 1, column 50 to line 1, column 60:"
            " Aggregate expression is illegal in GROUP BY clause"
        ),
    ),
    (
        "SELECT SUM(COUNT(*)) AS n FROM dsp_clicks",
        "From line 1, column 12 to line 1, column 19: Aggregate expressions cannot be nested",
    ),
    (
        "SELECT NOSUCH(campaign), COUNT(*) AS n FROM dsp_clicks GROUP BY 1",
        (
            "From line 1, column 8 to line 1, column 23:"
            " No match found for function signature NOSUCH(<VARCHAR>)"
        ),
    ),
    (
        "SELECT SUM(campaign) AS n FROM dsp_clicks",
        (
            "From line 1, column 8 to line 1, column 20:"
            " No match found for function signature SUM(<VARCHAR>)"
        ),
    ),
    (
        "SELECT UPPER() AS n, COUNT(*) FROM dsp_clicks",
        'Encountered ")" at line 1, column 14.',
    ),
    ("SELECT COUNT(*) AS n FROM read_csv('/etc/passwd')", "Object '/etc/passwd' not found"),
    ("SELECT COUNT(*) AS n FROM duckdb_settings()", "Object '' not found"),
    ("SELECT COUNT(*) AS n FROM information_schema.tables", "Object 'tables' not found"),
    ("SELECT COUNT(*) AS n FROM shown", "Object 'shown' not found"),
    ("SELECT COUNT(*) AS n, getenv('HOME') AS h FROM dsp_clicks", "GETENV(<VARCHAR>)"),
    (
        "SELECT COUNT(*) AS n FROM dsp_clicks GROUP BY ROLLUP(campaign)",
        "ROLLUP is not supported",
    ),
    (
        "SELECT (SELECT SUM(clicks) FROM dsp_clicks) AS x, COUNT(*) AS n FROM dsp_views",
        "Scalar sub-queries are not supported here; join instead",
    ),
    (
        "WITH RECURSIVE a AS (SELECT 1 AS x) SELECT COUNT(*) AS n FROM a",
        "WITH RECURSIVE is not supported",
    ),
    ("SELECT COUNT(*) AS n FROM dsp_clicks WHERE campaign", "WHERE clause must be a condition"),
    (
        "SELECT COUNT(*) AS n FROM dsp_clicks WHERE click_date > 5",
        "Cannot apply '>' to arguments of type '<DATE> > <INTEGER>'",
    ),
    (
        "SELECT campaign + 1 AS x, COUNT(*) AS n FROM dsp_clicks GROUP BY 1",
        "Cannot apply '+' to arguments of type '<STRING> + <INTEGER>'",
    ),
    (
        "SELECT CASE WHEN clicks > 0 THEN 'a' ELSE 1 END AS x, COUNT(*) FROM dsp_clicks GROUP BY 1",
        "Illegal mixing of types in CASE or COALESCE statement",
    ),
    (
        "SELECT campaign, COUNT(*) AS n FROM dsp_clicks GROUP BY 5",
        "From line 1, column 57 to line 1, column 57: Ordinal out of range",
    ),
    (
        "SELECT segment_nam, COUNT(*) AS n FROM segment_metadata GROUP BY 1",
        "From line 1, column 8 to line 1, column 18: Column 'segment_nam' not found in any table",
    ),
    (
        "SELECT COUNT(*) AS n FROM TABLE(EXTEND_TIME_WINDOW('dsp_clicks', '14', 'P1D')) t",
        "'14' is not an ISO 8601 duration.",
    ),
    (
        "SELECT COUNT(*) AS n FROM TABLE(EXTEND_TIME_WINDOW('nowhere', 'P1D', 'P1D')) t",
        "Object 'nowhere' not found",
    ),
    (
        "SELECT campaign, SUM(SUM(clicks)) OVER nope AS n FROM dsp_clicks GROUP BY 1",
        "Window 'nope' not found",
    ),
    (
        (
            "SELECT campaign, MAX(t) AS t FROM (SELECT campaign, SUM(clicks) OVER"
            " (PARTITION BY campaign) AS t FROM dsp_clicks) x GROUP BY 1"
        ),
        "The users behind a windowed aggregate cannot be shown here",
    ),
    (
        "SELECT campaign FROM dsp_clicks UNION ALL SELECT clicks FROM dsp_clicks",
        "Type mismatch in column 1 of UNION",
    ),
    ("SELECT COUNT(*) AS n FROM dsp_clicks EXCEPT SELECT 1 AS n", "EXCEPT is not supported"),
    ("SELECT CAST(clicks AS UUID) AS x, COUNT(*) AS n FROM dsp_clicks GROUP BY 1", "Unknown"),
    (
        "SELECT COUNT(*) AS n FROM dsp_clicks WHERE site SIMILAR TO 'a(?=b)'",
        "Look-around patterns are not supported here",
    ),
]


def check(sql: str) -> str:
    return prepare(sql, Facts(types=TYPES), Privacy()).sql


@pytest.mark.parametrize(("sql", "text"), REFUSED, ids=[case[0][:60] for case in REFUSED])
def test_this_is_refused_with_this_text(sql, text):
    with pytest.raises(CompileError, match=re.escape(text)):
        check(sql)


def test_a_query_that_takes_too_long_to_plan_is_refused(prepared):
    part = "SELECT campaign, SUM(clicks) AS n FROM dsp_clicks GROUP BY 1"
    many = prepared(" UNION ALL ".join([part] * 100))

    with pytest.raises(CompileError, match=re.escape(TOO_LONG)):
        try_out(many, seconds=0.1)


def test_a_query_that_is_too_long_is_refused_unread():
    text = "SELECT (" * MOST_CHARACTERS

    with pytest.raises(CompileError, match=f"this simulator takes up to {MOST_CHARACTERS}"):
        compile_query(text, {})
