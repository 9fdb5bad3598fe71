"""What compiles, what does not, and at which place."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.simulator.sql.compiler import compile_query
from services.simulator.sql.source import CompileError

ACCEPTED = {
    "path_to_conversion": """
        WITH steps AS (
          SELECT user_id, campaign, MIN(impression_dt_utc) AS first_seen
          FROM dsp_impressions GROUP BY user_id, campaign
        ), paths AS (
          SELECT s.user_id, ARRAY_SORT(COLLECT(DISTINCT s.campaign)) AS path
          FROM steps s GROUP BY s.user_id
        )
        SELECT p.path, COUNT(DISTINCT p.user_id) AS reach, SUM(c.total_product_sales) AS sales
        FROM paths p LEFT JOIN conversions c ON c.user_id = p.user_id
        GROUP BY p.path""",
    "new_to_brand": """
        SELECT campaign, new_to_brand, SUM(purchases) AS purchases,
               SUM(product_sales) / NULLIF(SUM(purchases), 0) AS average_value
        FROM amazon_attributed_events_by_conversion_time
        WHERE new_to_brand = TRUE GROUP BY 1, 2 HAVING SUM(purchases) > 0""",
    "reach_and_frequency": """
        SELECT frequency, COUNT(user_id) AS users FROM (
          SELECT user_id, SUM(impressions) AS frequency FROM dsp_impressions GROUP BY user_id
        ) GROUP BY frequency""",
    "cross_channel": """
        SELECT 'dsp' AS channel, SUM(impressions) AS impressions FROM dsp_impressions
        UNION ALL
        SELECT ad_product_type, SUM(impressions) FROM sponsored_ads_traffic GROUP BY 1""",
    "values_cte": """
        WITH wanted(campaign_id, label) AS (VALUES (1, 'a'), (2, 'b'))
        SELECT w.label, SUM(c.clicks) AS clicks
        FROM dsp_clicks c JOIN wanted w ON w.campaign_id = c.campaign_id GROUP BY w.label""",
    "window_functions": """
        SELECT campaign, n, ROW_NUMBER() OVER (ORDER BY n DESC) AS place FROM (
          SELECT campaign, COUNT(*) AS n FROM dsp_views GROUP BY campaign) t""",
    "extended_window": """
        SELECT i.campaign, COUNT(*) AS n
        FROM TABLE(EXTEND_TIME_WINDOW('dsp_impressions', 'P14D', 'P1D')) i GROUP BY i.campaign""",
    "group_by_alias": "SELECT UPPER(campaign) AS c, COUNT(*) FROM dsp_clicks GROUP BY c;",
    "correlated": """
        SELECT campaign, COUNT(*) AS n FROM dsp_clicks d
        WHERE EXISTS (SELECT 1 FROM conversions v WHERE v.user_id = d.user_id) GROUP BY 1""",
    "star_over_a_cte": """
        WITH a AS (SELECT campaign, SUM(clicks) AS clicks FROM dsp_clicks GROUP BY 1)
        SELECT a.* FROM a""",
    "columns_not_recorded": "SELECT anything, COUNT(*) FROM segment_metadata GROUP BY 1",
    "order_inside_a_cte": """
        WITH a AS (SELECT campaign, SUM(clicks) AS n FROM dsp_clicks GROUP BY 1 ORDER BY n)
        SELECT campaign, n FROM a""",
}


@pytest.mark.parametrize("sql", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_queries_of_the_usual_families_compile(sql):
    assert compile_query(sql, {}).columns


REFUSED = [
    (
        "SELECT * FROM dsp_clicks",
        "From line 1, column 8 to line 1, column 8: SELECT * is not supported; name the columns",
    ),
    ("SELECT campaign FROM dsp_clicks LIMIT 5", 'Encountered "LIMIT" at line 1, column 33.'),
    (
        "SELECT campaign\nFROM dsp_clicks\nORDER BY 1",
        'Encountered "ORDER" at line 3, column 1.',
    ),
    (
        "SELECT a.campaign FROM dsp_clicks a RIGHT JOIN dsp_views b ON a.user_id = b.user_id",
        'Encountered "RIGHT" at line 1, column 37.',
    ),
    ("DROP TABLE dsp_clicks", 'Encountered "DROP" at line 1, column 1.'),
    ("DELETE FROM dsp_clicks", 'Encountered "DELETE" at line 1, column 1.'),
    ("INSERT INTO x SELECT 1", 'Encountered "INSERT" at line 1, column 1.'),
    ("SELECT 1; SELECT 2", 'Encountered "SELECT" at line 1, column 11.'),
    (
        "SELECT GETDATE() FROM dsp_clicks",
        (
            "From line 1, column 8 to line 1, column 16:"
            " No match found for function signature GETDATE()"
        ),
    ),
    (
        "SELECT campaign || 'x' FROM dsp_clicks",
        "From line 1, column 8 to line 1, column 22: Unsupported scalar operation type ||",
    ),
    (
        "SELECT campaign\nFROM nowhere",
        "From line 2, column 6 to line 2, column 12: Object 'nowhere' not found",
    ),
    (
        "SELECT\n  campain\nFROM dsp_clicks",
        "From line 2, column 3 to line 2, column 9: Column 'campain' not found in any table",
    ),
    (
        "SELECT c.campain FROM dsp_clicks c",
        "From line 1, column 8 to line 1, column 16: Column 'campain' not found in table 'c'",
    ),
    (
        "SELECT x.campaign FROM dsp_clicks c",
        "From line 1, column 8 to line 1, column 17: Table 'x' not found",
    ),
    (
        "SELECT campaign FROM dsp_clicks a JOIN dsp_views b ON a.user_id = b.user_id",
        "From line 1, column 8 to line 1, column 15: Column 'campaign' is ambiguous",
    ),
    (
        "SELECT SUM(clics) FROM dsp_clicks",
        "From line 1, column 12 to line 1, column 16: Column 'clics' not found in any table",
    ),
    (
        "WITH a AS (SELECT nope FROM dsp_clicks) SELECT nope FROM a",
        "From line 1, column 19 to line 1, column 22: Column 'nope' not found in any table",
    ),
    ("SELECT campaign FROM", 'Encountered "FROM" at line 1, column 17.'),
    ("SELECT clicks::INT FROM dsp_clicks", 'Encountered "::" at line 1, column 14.'),
    ("", 'Encountered "<EOF>" at line 1, column 1.'),
]


@pytest.mark.parametrize(("sql", "cause"), REFUSED, ids=[case[0][:40] for case in REFUSED])
def test_what_amc_refuses_is_refused_with_its_place(sql, cause):
    with pytest.raises(CompileError, match=f"^{re.escape(cause)}$"):
        compile_query(sql, {})


def test_set_operations_need_the_same_width():
    with pytest.raises(CompileError, match="Column count mismatch in UNION"):
        compile_query(
            "SELECT campaign FROM dsp_clicks UNION ALL SELECT campaign, site FROM dsp_clicks", {}
        )


def test_a_cte_column_list_must_fit_its_query():
    with pytest.raises(CompileError, match="Number of columns must match"):
        compile_query("WITH a(x, y) AS (SELECT campaign FROM dsp_clicks) SELECT x FROM a", {})


TYPES = [
    ("campaign", "STRING", "DIMENSION"),
    ("campaign_id", "LONG", "DIMENSION"),
    ("SUM(clicks)", "LONG", "METRIC"),
    ("COUNT(*)", "LONG", "METRIC"),
    ("COUNT(DISTINCT user_id)", "LONG", "DIMENSION"),
    ("AVG(clicks)", "DOUBLE", "METRIC"),
    ("SUM(supply_cost) / 100000", "DOUBLE", "METRIC"),
    ("MIN(click_dt_utc)", "TIMESTAMP", "DIMENSION"),
    ("CAST(click_dt_utc AS DATE)", "DATE", "DIMENSION"),
    ("CASE WHEN clicks > 1 THEN 'many' ELSE 'one' END", "STRING", "DIMENSION"),
    ("clicks > 1", "BOOLEAN", "DIMENSION"),
    ("BUILT_IN_PARAMETER('TIME_WINDOW_START')", "TIMESTAMP", "DIMENSION"),
    ("CUSTOM_PARAMETER('n')", "INTEGER", "DIMENSION"),
    ("COALESCE(SUM(clicks), 0)", "LONG", "METRIC"),
    ("1.5", "DECIMAL(38,4)", "DIMENSION"),
]


@pytest.mark.parametrize(("expression", "data_type", "column_type"), TYPES)
def test_result_columns_carry_type_and_class(expression, data_type, column_type):
    query = compile_query(f"SELECT {expression} AS x FROM dsp_clicks", {"n": "INTEGER"})

    (column,) = query.columns
    assert (column.name, column.data_type, column.column_type) == ("x", data_type, column_type)


def test_types_pass_through_ctes_and_subqueries():
    sql = """WITH a AS (SELECT SUM(total_product_sales) AS sales FROM conversions)
             SELECT t.sales FROM (SELECT sales FROM a) t"""

    assert compile_query(sql, {}).columns[0].data_type == "DECIMAL(38,4)"


def test_used_parameters_are_named():
    sql = "SELECT campaign FROM dsp_clicks WHERE site = CUSTOM_PARAMETER('site')"

    assert compile_query(sql, {}).parameters == {"site"}


def test_endless_nesting_is_refused():
    with pytest.raises(CompileError):
        compile_query("SELECT " + "(" * 5000 + "1" + ")" * 5000, {})


VOCABULARY = """
    SELECT FROM WHERE GROUP BY ORDER HAVING JOIN LEFT RIGHT ON WITH AS UNION ALL CASE WHEN THEN END
    OVER PARTITION CAST DISTINCT VALUES LIMIT NOT NULL IN ( ( ) ) , , . * + || = < ; :: ' " -- /*
    [ ] { } ? @ $ 1 2.5 'x' campaign user_id dsp_clicks c.site é ✓ SUM COUNT IF COALESCE DATE_TRUNC
    EXTRACT SPLIT_PART LAG ARRAY UNNEST LATERAL
"""
WORDS = VOCABULARY.split()


@st.composite
def mutated_sql(draw) -> str:
    """A good query with some of its words dropped, doubled, swapped or replaced."""
    words = re.findall(r"\w+|\S|\n", draw(st.sampled_from(sorted(ACCEPTED.values()))))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(words) - 1))
        match draw(st.sampled_from(["drop", "double", "replace", "insert"])):
            case "drop" if len(words) > 1:
                del words[place]
            case "double":
                words.insert(place, words[place])
            case "replace":
                words[place] = draw(st.sampled_from(WORDS))
            case _:
                words.insert(place, draw(st.sampled_from(WORDS)))
    return " ".join(words)


def compiles_or_refuses(sql: str) -> bool:
    try:
        compile_query(sql, {})
    except CompileError as error:
        return bool(str(error))
    return True


@settings(max_examples=400, deadline=None)
@given(mutated_sql())
def test_mutated_sql_compiles_or_is_refused_and_nothing_else(sql):
    assert compiles_or_refuses(sql)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
def test_any_text_compiles_or_is_refused_and_nothing_else(text):
    assert compiles_or_refuses(f"SELECT {text} FROM dsp_clicks")
    assert compiles_or_refuses(text)
