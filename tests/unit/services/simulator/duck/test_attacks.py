"""One user's traffic, hidden behind other people's rows: each way in is shut or counted.

RARE is an hour in which exactly one of the users saw an ad. Every query below showed a row that
rests on that user alone, or told a literal from a HIGH value, before the binder knew better.
"""

import pytest

from services.simulator.duck.prepare import prepare
from services.simulator.duck.thresholds import Privacy
from services.simulator.sql.source import CompileError
from tests.unit.services.simulator.duck.oracle import FACTS, judge

PER_CAMPAIGN = "SELECT campaign AS k, COUNT(*) AS a, {few} AS b FROM dsp_impressions GROUP BY 1"
FEW = "SUM(CASE WHEN impression_dt_utc = {rare} THEN 1 ELSE 0 END)"
FRIENDS = PER_CAMPAIGN.replace("{few}", FEW)


@pytest.fixture(scope="module")
def rare(worlds) -> str:
    """The time of one impression of one user, in a campaign that others saw as well."""
    (when,) = worlds.connection.execute(
        """SELECT ts FROM main.shown JOIN main.ads USING (ad) WHERE uid >= 0
           AND campaign IN (SELECT campaign FROM main.shown JOIN main.ads USING (ad)
               WHERE uid >= 0 AND ts >= TIMESTAMP '2026-08-01'
               GROUP BY 1 HAVING count(DISTINCT uid) > 3)
           AND ts BETWEEN TIMESTAMP '2026-08-03' AND TIMESTAMP '2026-08-20' ORDER BY ts LIMIT 1"""
    ).fetchone()
    return f"CAST('{when}' AS TIMESTAMP)"


ATTACKS = {
    "where over a metric of few": f"SELECT k, SUM(a) AS a FROM ({FRIENDS}) t WHERE b > 0"
    " GROUP BY k",
    "having": "SELECT campaign AS k, COUNT(*) AS a FROM dsp_impressions GROUP BY 1"
    f" HAVING {FEW} > 0",
    "a join's condition": "SELECT v.x AS k, SUM(t.a) AS a FROM (VALUES ('x')) v(x)"
    f" JOIN ({FRIENDS}) t ON t.b > 0 GROUP BY v.x",
    "a key that is not shown": f"SELECT MIN(k) AS k, SUM(a) AS a FROM ({FRIENDS}) t GROUP BY b > 0",
    "a sub-query that finds one user": "SELECT campaign AS k, COUNT(*) AS a FROM dsp_impressions"
    " WHERE campaign IN (SELECT campaign FROM dsp_impressions i2 WHERE impression_dt_utc = {rare})"
    " GROUP BY 1",
    "exists one user": "SELECT campaign AS k, COUNT(*) AS a FROM dsp_impressions"
    " WHERE EXISTS (SELECT 1 FROM dsp_impressions j WHERE j.impression_dt_utc = {rare}) GROUP BY 1",
    "exists for a campaign": "SELECT i.campaign AS k, COUNT(*) AS a FROM dsp_impressions i"
    " WHERE EXISTS (SELECT 1 FROM dsp_impressions j WHERE j.campaign = i.campaign"
    " AND j.impression_dt_utc = {rare}) GROUP BY 1",
    "an outer join's equality of others": "SELECT i.campaign AS k, COUNT(*) AS a"
    " FROM dsp_impressions i JOIN dsp_impressions j ON i.campaign = j.campaign"
    " AND j.impression_dt_utc = {rare} LEFT JOIN dsp_clicks c ON i.user_id = j.user_id AND"
    " c.clicks < 0 GROUP BY 1",
    "two equalities of an outer join": "SELECT i.campaign AS k, COUNT(*) AS a"
    " FROM dsp_impressions i JOIN dsp_impressions j ON i.campaign = j.campaign"
    " AND j.impression_dt_utc = {rare} LEFT JOIN dsp_clicks c ON c.user_id = i.user_id AND"
    " c.user_id = j.user_id GROUP BY 1",
    "an id that an outer join left out": "SELECT x.k, SUM(x.b) AS b FROM"
    " (SELECT c.user_id, i.campaign AS k, " + FEW.replace("impression_dt", "i.impression_dt") +
    " AS b, COUNT(*) AS a FROM dsp_impressions i LEFT JOIN dsp_clicks c ON c.user_id = i.user_id"
    " AND c.clicks < 0 GROUP BY c.user_id, i.campaign) x GROUP BY x.k",
    "a value without its nulls": "SELECT t.k, SUM(t.b) AS b FROM (SELECT campaign AS k,"
    " FIRST_VALUE(CASE WHEN impression_dt_utc = {rare} THEN 7 END) IGNORE NULLS"
    " OVER (ORDER BY user_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS b"
    " FROM dsp_impressions) t GROUP BY t.k",
    "a list of all values": "SELECT e AS k, COUNT(*) AS a FROM (SELECT campaign, COLLECT(CASE WHEN"
    " impression_dt_utc = {rare} THEN 'rare' ELSE 'common' END) AS l FROM dsp_impressions"
    " GROUP BY 1) t, UNNEST(t.l) AS x(e) GROUP BY e",
}  # fmt: skip


@pytest.mark.parametrize("sql", ATTACKS.values(), ids=ATTACKS.keys())
def test_no_row_shows_that_rests_on_one_user(worlds, rare, sql):
    try:
        verdict = judge(worlds, sql.replace("{rare}", rare), FACTS)
    except CompileError as error:
        text = str(error)
    else:
        text = " ".join(verdict.leaks)
    assert "rests on" not in text
    assert text == "" or "users" in text


LITERALS = {
    "nullif": "SELECT COUNT(NULLIF(postal_code, '10001')) AS n FROM dsp_impressions",
    "a pattern": "SELECT COUNT(REGEXP_SUBSTR(postal_code, '^10001$')) AS n FROM dsp_impressions",
    "a place in an array": "SELECT COUNT(ARRAY_POSITION(ARRAY['10001'], postal_code)) AS n"
    " FROM dsp_impressions",
    "an item": "SELECT COUNT(ARRAY[1, 2][CAST(postal_code AS INTEGER) - 10000]) AS n"
    " FROM dsp_impressions",
    "a division": "SELECT COUNT(1 / (CAST(postal_code AS INTEGER) - 10001)) AS n"
    " FROM dsp_impressions",
    "the window's own time": "SELECT COUNT(*) AS n FROM dsp_impressions WHERE postal_code ="
    " CAST(EXTRACT(YEAR FROM BUILT_IN_PARAMETER('TIME_WINDOW_START')) AS VARCHAR)",
    "a count of made-up rows": "WITH v(x) AS (VALUES (1), (2), (3)), n AS (SELECT COUNT(*) AS n"
    " FROM v a CROSS JOIN v b) SELECT COUNT(*) AS c FROM dsp_impressions i JOIN n ON"
    " i.postal_code = CAST(n.n AS VARCHAR)",
    "numbered made-up rows": "WITH v(x) AS (VALUES (1), (2)), n AS (SELECT ROW_NUMBER() OVER"
    " (ORDER BY x) AS n FROM v) SELECT COUNT(*) AS c FROM dsp_impressions i JOIN n ON"
    " i.postal_code = CAST(n.n AS VARCHAR)",
    "a row between the data": "SELECT p, DENSE_RANK() OVER (ORDER BY p) AS r, SUM(n) AS n FROM"
    " (SELECT postal_code AS p, COUNT(*) AS n FROM dsp_impressions GROUP BY 1 UNION ALL"
    " SELECT '10001', 0) t GROUP BY p",
    "a rank among literals": "SELECT site, MAX(r) AS r FROM (SELECT site, DENSE_RANK() OVER"
    " (ORDER BY CASE WHEN clicks > 1 THEN '10001' ELSE postal_code END) AS r FROM dsp_clicks) t"
    " GROUP BY site",
    "distinct": "SELECT COUNT(*) AS n FROM (SELECT DISTINCT CONCAT(postal_code, 'x') AS p"
    " FROM dsp_clicks) t",
}  # fmt: skip


@pytest.mark.parametrize("sql", LITERALS.values(), ids=LITERALS.keys())
def test_a_literal_does_not_meet_a_high_value_in_disguise(sql):
    with pytest.raises(CompileError, match="cannot meet a literal"):
        prepare(sql, FACTS, Privacy())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(DISTINCT CASE WHEN clicks > 0 THEN user_id END) AS n FROM dsp_clicks",
        "SELECT COUNT(DISTINCT CONCAT(user_id, '-', campaign)) AS n FROM dsp_clicks",
        "SELECT campaign, COUNT(*) AS n FROM dsp_clicks WHERE user_id IS NOT NULL GROUP BY 1",
        """SELECT campaign, COUNT(*) AS n FROM dsp_clicks WHERE user_id IN
           (SELECT user_id FROM conversions) GROUP BY 1""",
        """SELECT campaign, COUNT(*) AS n FROM dsp_clicks WHERE user_id NOT IN
           (SELECT user_id FROM conversions WHERE user_id IS NOT NULL) GROUP BY 1""",
        """SELECT d.campaign, COUNT(*) AS n FROM dsp_clicks d WHERE NOT EXISTS
           (SELECT 1 FROM conversions c WHERE c.user_id = d.user_id) GROUP BY 1""",
    ],
)  # fmt: skip
def test_what_published_queries_do_with_ids_is_let_through(sql):
    assert prepare(sql, FACTS, Privacy()).sql


def test_values_are_not_taken_out_of_a_single_users_row(worlds):
    """REMOVE_VALUES nulls what is sensitive; a row of one user goes altogether."""
    sql = """SELECT k, SUM(a) AS a FROM (SELECT user_id, ROW_NUMBER() OVER (ORDER BY user_id) AS k,
             COUNT(*) AS a FROM dsp_impressions GROUP BY user_id) t GROUP BY k"""

    assert worlds.rows(prepare(sql, FACTS, Privacy(remove_values=True)).sql) == []


def test_a_metric_of_one_user_is_null_where_values_are_removed(worlds, rare):
    sql = FRIENDS.replace("{rare}", rare)
    rows = worlds.rows(prepare(sql, FACTS, Privacy(remove_values=True)).sql)

    assert rows
    assert {row[2] for row in rows} <= {None, "0"}
