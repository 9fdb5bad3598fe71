"""Queries of the kinds that Amazon publishes, in words of our own, with figures that must hold."""

import pytest


def number(text: str | None) -> float:
    return float(text or 0)


def total(rows, place: int) -> float:
    return sum(number(row[place]) for row in rows)


def one(ask, sql: str) -> float:
    ((value,),) = ask(sql)
    return number(value)


def test_linear_attribution_gives_each_order_away_once(ask):
    rows = ask(
        """WITH touches AS (
             SELECT i.user_id, i.campaign, c.conversion_id FROM dsp_impressions i
             JOIN conversions c ON c.user_id = i.user_id
             WHERE i.impression_dt_utc <= c.event_dt_utc
           ), shares AS (
             SELECT user_id, campaign, 1.0 / COUNT(*) OVER (PARTITION BY user_id, conversion_id)
               AS share FROM touches
           ) SELECT campaign, ROUND(SUM(share), 6) AS orders FROM shares GROUP BY campaign"""
    )
    orders = one(
        ask,
        """SELECT COUNT(DISTINCT c.conversion_id) AS n FROM dsp_impressions i JOIN conversions c
           ON c.user_id = i.user_id WHERE i.impression_dt_utc <= c.event_dt_utc""",
    )

    assert len(rows) > 3
    assert 0.8 * orders <= total(rows, 1) <= orders + 0.01


def test_position_based_attribution_weighs_first_and_last(ask):
    weights = """CASE WHEN n = 1 THEN 1.0 WHEN n = 2 THEN 0.5 WHEN first_place = 1 THEN 0.4
                 WHEN last_place = 1 THEN 0.4 ELSE 0.2 / (n - 2) END"""
    ranked = """SELECT i.user_id, i.campaign, c.conversion_id,
        ROW_NUMBER() OVER (w ORDER BY i.impression_dt_utc, i.request_tag) AS first_place,
        ROW_NUMBER() OVER (w ORDER BY i.impression_dt_utc DESC, i.request_tag DESC) AS last_place,
        COUNT(*) OVER (w) AS n
        FROM dsp_impressions i JOIN conversions c ON c.user_id = i.user_id
        WHERE i.impression_dt_utc <= c.event_dt_utc""".replace(
        "(w", "(PARTITION BY i.user_id, c.conversion_id"
    )
    rows = ask(
        f"""WITH ranked AS ({ranked}) SELECT campaign, ROUND(SUM({weights}), 4) AS credit,
            COUNT(DISTINCT user_id) AS users FROM ranked GROUP BY campaign"""
    )

    assert len(rows) > 3
    assert all(number(row[1]) > 0 and number(row[2]) >= 2 for row in rows)


def test_reach_that_only_one_product_brings(ask):
    rows = ask(
        """WITH display AS (SELECT DISTINCT user_id FROM dsp_impressions WHERE user_id IS NOT NULL),
           search AS (SELECT DISTINCT user_id FROM sponsored_ads_traffic WHERE user_id IS NOT NULL)
           SELECT CASE WHEN s.user_id IS NULL THEN 'display only' WHEN d.user_id IS NULL
             THEN 'search only' ELSE 'both' END AS kind,
             COUNT(DISTINCT COALESCE(d.user_id, s.user_id)) AS users
           FROM display d FULL OUTER JOIN search s ON d.user_id = s.user_id GROUP BY 1"""
    )
    display = one(ask, "SELECT COUNT(DISTINCT user_id) AS n FROM dsp_impressions")
    found = {row[0]: number(row[1]) for row in rows}

    assert found["display only"] + found["both"] == display
    assert found["search only"] > 0


def test_incremental_reach_without_those_whom_others_reached(ask):
    new = one(
        ask,
        """SELECT COUNT(DISTINCT user_id) AS n FROM dsp_impressions WHERE user_id NOT IN
           (SELECT user_id FROM sponsored_ads_traffic WHERE user_id IS NOT NULL)""",
    )
    known = one(
        ask,
        """SELECT COUNT(DISTINCT d.user_id) AS n FROM dsp_impressions d WHERE EXISTS
           (SELECT 1 FROM sponsored_ads_traffic s WHERE s.user_id = d.user_id)""",
    )

    assert new + known == one(ask, "SELECT COUNT(DISTINCT user_id) AS n FROM dsp_impressions")


def test_optimal_frequency_has_buyers_among_the_reached(ask):
    rows = ask(
        """WITH reached AS (SELECT user_id, SUM(impressions) AS f FROM dsp_impressions
             WHERE user_id IS NOT NULL GROUP BY user_id),
           bought AS (SELECT user_id, COUNT(*) AS orders FROM conversions
             WHERE user_id IS NOT NULL GROUP BY user_id)
           SELECT IF(r.f < 5, r.f, 5) AS frequency, COUNT(DISTINCT r.user_id) AS users,
             COUNT(DISTINCT b.user_id) AS buyers
           FROM reached r LEFT JOIN bought b ON b.user_id = r.user_id GROUP BY 1"""
    )

    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert all(number(row[2]) <= number(row[1]) for row in rows)


def test_click_through_by_device_is_a_share(ask):
    rows = ask(
        """WITH seen AS (SELECT device_type, SUM(impressions) AS impressions FROM dsp_impressions
             GROUP BY 1),
           clicked AS (SELECT device_type, SUM(clicks) AS clicks FROM dsp_clicks GROUP BY 1)
           SELECT s.device_type, s.impressions, c.clicks, c.clicks / s.impressions AS rate
           FROM seen s JOIN clicked c ON c.device_type = s.device_type"""
    )

    assert rows
    assert all(0 < number(row[3]) < 0.5 for row in rows)
    assert all(abs(number(row[3]) - number(row[2]) / number(row[1])) < 1e-9 for row in rows)


def test_audience_segments_share_the_reached(ask):
    rows = ask(
        """SELECT s.segment_name, COUNT(DISTINCT s.user_id) AS users
           FROM audience_segments_amer_lifestyle s
           JOIN (SELECT DISTINCT user_id FROM dsp_impressions WHERE user_id IS NOT NULL) i
           ON i.user_id = s.user_id GROUP BY 1"""
    )
    reached = one(ask, "SELECT COUNT(DISTINCT user_id) AS n FROM dsp_impressions")

    assert len(rows) > 2
    assert all(2 <= number(row[1]) < reached for row in rows)


def test_sales_by_product_and_campaign_add_up(ask):
    rows = ask(
        """SELECT tracked_asin, campaign, SUM(purchases) AS purchases
           FROM amazon_attributed_events_by_traffic_time WHERE purchases > 0 GROUP BY 1, 2"""
    )
    all_of_it = one(ask, "SELECT SUM(purchases) AS n FROM amazon_attributed_events_by_traffic_time")

    assert rows
    assert 0 < total(rows, 2) <= all_of_it


def test_hours_of_the_day_in_the_advertisers_zone(ask):
    rows = ask(
        """SELECT EXTRACT(HOUR FROM CONVERT_TIME_ZONE_FROM_UTC(impression_dt_utc,
             'America/New_York')) AS h, COUNT(*) AS n FROM dsp_impressions GROUP BY 1"""
    )
    utc = ask("SELECT EXTRACT(HOUR FROM impression_dt_utc) AS h, COUNT(*) AS n"
              " FROM dsp_impressions GROUP BY 1")  # fmt: skip

    assert {(int(h) + 4) % 24: n for h, n in rows} == {int(h): n for h, n in utc}


def test_days_of_the_window_and_no_other(ask):
    rows = ask("SELECT impression_date_utc AS d, COUNT(*) AS n FROM dsp_impressions GROUP BY 1")

    assert [row[0] for row in rows] == [f"2026-08-0{day}" for day in range(1, 8)]


def test_a_longer_window_has_more(ask):
    plain = one(ask, "SELECT COUNT(*) AS n FROM dsp_clicks")
    longer = one(
        ask, "SELECT COUNT(*) AS n FROM TABLE(EXTEND_TIME_WINDOW('dsp_clicks', 'P14D', 'P0D')) c"
    )

    assert longer > plain > 0


def test_labels_from_a_list_of_values(ask):
    rows = ask(
        """WITH kinds(product, label) AS (VALUES ('sponsored_products', 'SP'),
             ('sponsored_brands', 'SB'), ('sponsored_display', 'SD'))
           SELECT k.label, SUM(t.impressions) AS n FROM sponsored_ads_traffic t
           JOIN kinds k ON k.product = t.ad_product_type GROUP BY k.label"""
    )
    whole = one(
        ask,
        """SELECT SUM(impressions) AS n FROM sponsored_ads_traffic WHERE ad_product_type IN
           ('sponsored_products', 'sponsored_brands', 'sponsored_display')""",
    )

    assert {row[0] for row in rows} <= {"SP", "SB", "SD"}
    assert total(rows, 1) == whole


def test_a_funnel_narrows(ask):
    rows = ask(
        """SELECT 1 AS step, COUNT(DISTINCT user_id) AS users FROM dsp_impressions
           UNION ALL SELECT 2, COUNT(DISTINCT user_id) FROM dsp_clicks
           UNION ALL SELECT 3, COUNT(DISTINCT user_id) FROM conversions WHERE user_id IN
             (SELECT user_id FROM dsp_clicks)"""
    )
    users = [number(row[1]) for row in rows]

    assert users == sorted(users, reverse=True)
    assert len(users) == 3


def test_carts_that_no_order_followed(ask):
    carts = "SELECT user_id FROM conversions WHERE event_subtype = 'shoppingCart'"
    orders = "SELECT user_id FROM conversions WHERE event_subtype = 'order'"
    left = one(
        ask,
        f"""SELECT COUNT(DISTINCT c.user_id) AS n FROM ({carts}) c LEFT JOIN
            (SELECT DISTINCT user_id FROM ({orders}) o WHERE user_id IS NOT NULL) o
            ON o.user_id = c.user_id WHERE o.user_id IS NULL""",
    )
    with_order = one(
        ask, f"SELECT COUNT(DISTINCT user_id) AS n FROM ({carts}) c WHERE user_id IN ({orders})"
    )

    assert left + with_order == one(ask, f"SELECT COUNT(DISTINCT user_id) AS n FROM ({carts}) c")


def test_ranks_of_campaigns_by_spend(ask):
    rows = ask(
        """WITH spent AS (SELECT campaign, SUM(spend) / 100000000 AS spend
             FROM sponsored_ads_traffic GROUP BY campaign)
           SELECT campaign, ROUND(spend, 4) AS spend, RANK() OVER (ORDER BY spend DESC) AS place
           FROM spent"""
    )
    by_place = sorted(rows, key=lambda row: int(row[2]))

    assert [number(row[1]) for row in by_place] == sorted(
        (number(r[1]) for r in rows), reverse=True
    )


def test_the_spread_of_frequency(ask):
    ((median, mean, high),) = ask(
        """WITH f AS (SELECT user_id, SUM(impressions) AS n FROM dsp_impressions
             WHERE user_id IS NOT NULL GROUP BY user_id)
           SELECT MEDIAN(n) AS median, AVG(n) AS mean, PERCENTILE(n, 0.9) AS high FROM f"""
    )

    assert 1 <= number(median) <= number(mean) <= number(high)


@pytest.mark.parametrize(
    "table", ["conversions", "amazon_brand_store_page_views", "amazon_retail_purchases"]
)
def test_pairs_of_what_one_user_did(ask, table):
    n = one(
        ask,
        f"""SELECT COUNT(DISTINCT t.user_id) AS n FROM {table} t JOIN dsp_impressions i
            ON i.user_id = t.user_id WHERE t.user_id IS NOT NULL""",
    )

    assert n <= one(ask, "SELECT COUNT(DISTINCT user_id) AS n FROM dsp_impressions")
