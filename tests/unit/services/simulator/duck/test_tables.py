"""Queries over the tables, checked against the facts beneath them."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.paths import PROJECT
from services.simulator.duck.extra_tables import all_tables
from services.simulator.duck.facts import Facts
from services.simulator.duck.prepare import prepare
from services.simulator.duck.thresholds import Privacy
from tests.unit.services.simulator.duck.conftest import FACTS

WEEK = "ts >= TIMESTAMP '2026-08-01' AND ts < TIMESTAMP '2026-08-08'"
CHECKED = [
    (
        "SELECT SUM(impressions) AS n FROM dsp_impressions",
        f"SELECT count(*) FROM shown WHERE {WEEK}",
    ),
    ("SELECT COUNT(*) AS n FROM dsp_clicks", f"SELECT count(*) FROM clicked WHERE {WEEK}"),
    (
        "SELECT COUNT(DISTINCT user_id) AS n FROM dsp_impressions",
        f"SELECT count(DISTINCT uid) FROM shown WHERE uid >= 0 AND {WEEK}",
    ),
    (
        "SELECT COUNT(*) AS n FROM dsp_impressions WHERE user_id IS NULL OR user_id IS NOT NULL",
        f"SELECT count(*) FROM shown WHERE {WEEK}",
    ),
    (
        "SELECT SUM(spend) AS n FROM amc.sponsored_ads_traffic WHERE clicks > 0",
        f"SELECT sum(spend)::BIGINT FROM sponsored WHERE {WEEK}",
    ),
    (
        "SELECT SUM(purchases) AS n FROM amazon_attributed_events_by_traffic_time",
        f"""SELECT count(*) FROM credited WHERE subtype = 0 AND product % 2 = ad % 2
            AND {WEEK.replace("ts", "tts")}""",
    ),
    (
        "SELECT SUM(total_purchases_clicks) AS n FROM amazon_attributed_events_by_conversion_time",
        f"SELECT sum((subtype = 0 AND is_click = 1)::INT) FROM credited WHERE {WEEK}",
    ),
    (
        "SELECT COUNT(*) AS n FROM conversions WHERE event_subtype = 'order' AND new_to_brand",
        f"""SELECT count(*) FROM converted
            WHERE subtype = 0 AND fresh = 1 AND exposed = 1 AND {WEEK}""",
    ),
    (
        """SELECT COUNT(*) AS n
           FROM TABLE(EXTEND_TIME_WINDOW('dsp_impressions', 'P14D', 'P1D')) t""",
        """SELECT count(*) FROM shown
           WHERE ts >= TIMESTAMP '2026-07-18' AND ts < TIMESTAMP '2026-08-09'""",
    ),
    (
        "SELECT COUNT(*) AS n FROM amazon_retail_purchases",
        f"SELECT count(*) FROM converted WHERE subtype = 0 AND {WEEK}",
    ),
    (
        """SELECT COUNT(*) AS n FROM dsp_clicks d
           WHERE EXISTS (SELECT 1 FROM conversions v WHERE v.user_id = d.user_id)""",
        f"""SELECT count(*) FROM clicked WHERE uid >= 0 AND {WEEK}
            AND uid IN (SELECT uid FROM converted WHERE exposed = 1 AND {WEEK})""",
    ),
    (
        """SELECT COUNT(*) AS n FROM dsp_clicks WHERE campaign IN
           (SELECT campaign FROM dsp_impressions WHERE campaign LIKE 'Tarn%')""",
        f"SELECT count(*) FROM clicked JOIN ads USING (ad) WHERE campaign LIKE 'Tarn%' AND {WEEK}",
    ),
    (
        """SELECT COUNT(*) AS n FROM dsp_clicks a JOIN dsp_clicks b USING (user_id)""",
        f"""WITH c AS (SELECT uid, count(*) AS n FROM clicked WHERE uid >= 0 AND {WEEK} GROUP BY 1)
            SELECT sum(n * n)::BIGINT FROM c""",
    ),
    (
        "SELECT COUNT(DISTINCT user_id) AS n FROM audience_segments_amer_lifestyle",
        "SELECT count(DISTINCT uid) FROM user_segments WHERE segment BETWEEN 8 AND 15",
    ),
    ("SELECT COUNT(*) AS n FROM segment_metadata", "SELECT 24"),
    (
        "SELECT COUNT(*) AS n FROM (SELECT DISTINCT campaign FROM dsp_impressions) t",
        f"SELECT count(DISTINCT campaign) FROM shown JOIN ads USING (ad) WHERE {WEEK}",
    ),
    (
        "SELECT COUNT(*) AS n FROM dsp_clicks WHERE click_dt >= CAST('2026-08-02' AS DATE)",
        f"SELECT count(*) FROM clicked WHERE {WEEK} AND ts >= TIMESTAMP '2026-08-02 04:00:00'",
    ),
]


@pytest.mark.parametrize(("sql", "plain"), CHECKED, ids=[case[0][:60] for case in CHECKED])
def test_a_query_gives_what_the_facts_say(ask, raw, sql, plain):
    assert ask(sql) == [(str(raw(plain)[0][0]),)]


@pytest.mark.parametrize("table", [t for t in sorted(all_tables()) if "_for_" not in t])
def test_every_column_of_a_table_can_be_read(connection, table):
    hour = replace(FACTS, end=FACTS.start + timedelta(hours=1))
    columns = list(all_tables()[table].columns)
    # Not all at once: planning takes more than twice as long for twice as many.
    for first in range(0, len(columns), 30):
        counts = ", ".join(f"COUNT({name}) AS {name}" for name in columns[first : first + 30])
        row = connection.execute(prepare(f"SELECT {counts} FROM {table}", hour, Privacy()).sql)
        assert len(row.fetchall()) <= 1


WORKFLOWS = sorted((PROJECT / "deploy/local/demo/workflows").glob("*.sql"))


@pytest.mark.parametrize(
    "path", [p for p in WORKFLOWS if p.stem != "refused"], ids=lambda path: path.stem
)
def test_the_workflows_of_the_demo_return_rows(ask, path: Path):
    facts = replace(FACTS, types={"most": "INTEGER"}, values={"most": "5"})

    assert ask(path.read_text(), facts)


FAMILIES = {
    "first_touch": """
        WITH seen AS (
          SELECT user_id, campaign, impression_dt_utc AS at FROM dsp_impressions
          WHERE user_id IS NOT NULL
        ), ranked AS (
          SELECT user_id, campaign, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY at) AS place
          FROM seen
        ), bought AS (
          SELECT user_id, SUM(total_product_sales) AS sales FROM conversions
          WHERE event_subtype = 'order' GROUP BY user_id
        )
        SELECT r.campaign, COUNT(DISTINCT r.user_id) AS users, SUM(b.sales) AS sales
        FROM ranked r JOIN bought b ON r.user_id = b.user_id WHERE r.place = 1
        GROUP BY r.campaign""",
    "overlap": """
        WITH exposed AS (
          SELECT user_id, 1 AS display, 0 AS sponsored FROM dsp_impressions
          UNION ALL SELECT user_id, 0, 1 FROM sponsored_ads_traffic
        ), grouped AS (
          SELECT user_id, MAX(display) AS display, MAX(sponsored) AS sponsored FROM exposed
          WHERE user_id IS NOT NULL GROUP BY user_id
        )
        SELECT display, sponsored, COUNT(DISTINCT user_id) AS users FROM grouped GROUP BY 1, 2""",
    "path_as_array": """
        WITH paths AS (
          SELECT user_id, ARRAY_SORT(COLLECT(DISTINCT campaign)) AS path FROM dsp_clicks
          WHERE user_id IS NOT NULL GROUP BY user_id
        )
        SELECT path, COUNT(DISTINCT user_id) AS users FROM paths GROUP BY path""",
    "click_rate": """
        WITH i AS (SELECT campaign, SUM(impressions) AS n FROM dsp_impressions GROUP BY campaign),
             c AS (SELECT campaign, SUM(clicks) AS n FROM dsp_clicks GROUP BY campaign)
        SELECT i.campaign, i.n AS shown, c.n AS clicked, c.n / i.n AS rate
        FROM i LEFT JOIN c ON c.campaign = i.campaign""",
    "share": """
        SELECT campaign, n, n / SUM(n) OVER () AS share
        FROM (SELECT campaign, SUM(impressions) AS n FROM dsp_impressions GROUP BY 1) t""",
    "time_of_day": """
        SELECT event_hour_utc, ad_product_type, SUM(clicks) AS clicks
        FROM sponsored_ads_traffic GROUP BY 1, 2""",
    "segments": """
        SELECT behavior_segment_name AS segment, COUNT(DISTINCT user_id) AS users
        FROM dsp_impressions_by_user_segments GROUP BY 1""",
    "labels": """
        WITH label(campaign, kind) AS (VALUES ('Northwind Audio', 'audio'), ('x', 'y'))
        SELECT l.kind, SUM(d.impressions) AS n FROM dsp_impressions d
        JOIN label l ON l.campaign = d.campaign GROUP BY l.kind""",
    "cart_without_order": """
        WITH carts AS (SELECT user_id, tracked_asin FROM conversions
                       WHERE event_subtype = 'shoppingCart' AND user_id IS NOT NULL),
             orders AS (SELECT user_id, tracked_asin FROM conversions
                        WHERE event_subtype = 'order' AND user_id IS NOT NULL)
        SELECT c.tracked_asin, COUNT(DISTINCT c.user_id) AS users FROM carts c
        LEFT JOIN orders o ON o.user_id = c.user_id AND o.tracked_asin = c.tracked_asin
        WHERE o.user_id IS NULL GROUP BY c.tracked_asin""",
}


@pytest.mark.parametrize("sql", FAMILIES.values(), ids=FAMILIES.keys())
def test_the_usual_families_return_rows(ask, sql):
    assert ask(sql)


def test_a_sandbox_without_controls_sees_event_rows(connection):
    facts = Facts(FACTS.start, FACTS.end, FACTS.now, values={}, controls=False)
    sql = prepare("SELECT user_id, campaign FROM dsp_clicks", facts, Privacy(controls=False)).sql

    assert connection.execute(sql).fetchall()


def test_an_empty_window_gives_one_empty_total(ask):
    empty = replace(FACTS, start=datetime(2031, 1, 1), end=datetime(2031, 1, 2))  # noqa: DTZ001

    assert ask("SELECT SUM(clicks) AS n FROM dsp_clicks", empty) == [(None,)]
    assert ask("SELECT campaign, SUM(clicks) AS n FROM dsp_clicks GROUP BY 1", empty) == []
