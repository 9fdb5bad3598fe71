"""What must be true of the invented data, whoever asks: counts, money, times, people."""

from dataclasses import replace
from datetime import datetime

import duckdb
import pytest

from services.simulator.duck.brands import make_instance
from services.simulator.duck.columns import reading_of
from services.simulator.duck.extra_tables import all_tables
from services.simulator.duck.generator import generate
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.tables import scan
from tests.unit.services.simulator.duck.conftest import END, PLAN, START

ABROAD = {"amcsimthde1": "A1PA6795UKMFR9", "amcelsewhere": "A1VC38T7YXB528"}
TABLES = [name for name in sorted(all_tables()) if not name.endswith("_for_audiences")]
OFF_AMAZON = {
    "conversion_event_name", "conversion_event_source_name", "off_amazon_conversion_value",
    "off_amazon_product_sales", "purchase_retail_program",
}  # fmt: skip
OF_THE_AUCTION = {
    "audience_fee", "bid_price", "click_cost", "deal_id", "deal_name", "environment_type",
    "page_type", "platform_fee", "site", "supply_cost", "supply_source",
}  # fmt: skip


@pytest.fixture(scope="session")
def worlds(connection, tmp_path_factory):
    """The three regions: America, Europe, Asia."""
    folder = tmp_path_factory.mktemp("worlds")
    opened = [connection]
    for instance, marketplace in ABROAD.items():
        plan = replace(PLAN, instance_id=instance, users=400, marketplace_id=marketplace)
        generate(plan, folder / plan.file_name)
        there = duckdb.connect(str(folder / plan.file_name), read_only=True)
        there.execute("SET TimeZone = 'UTC'")
        opened.append(there)
    yield opened
    for there in opened[1:]:
        there.close()


def read(
    connection, table: str, columns: str, rest: str = "", *, start=START, end=END, owners=None
):
    """DuckDB's own SQL over a table as a query sees it; its columns go by their names."""
    member = scan(all_tables()[table], "r", start, end, advertisers=owners)
    for column in all_tables()[table].columns:
        member.columns[column]
    names = ", ".join(f"c{n} AS {name}" for n, name in enumerate(all_tables()[table].columns))
    return connection.execute(
        f"SELECT {columns} FROM (SELECT {names}, s0 FROM {member.text()}) {rest}"
    ).fetchall()


def holds(connection, table: str, condition: str) -> None:
    """For every row, and there are some."""
    ((rows, bad),) = read(connection, table, f"count(*), count(*) FILTER (NOT ({condition}))")
    assert rows
    assert bad == 0, condition


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_rows_on_some_instance(worlds, table):
    assert any(read(there, table, "count(*)") > [(0,)] for there in worlds)


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_a_table_says_something(worlds, table):
    columns = list(all_tables()[table].columns)
    if table.startswith("amazon_pvc_"):
        columns = [c for c in columns if reading_of(table).known.get(c)]
    silent = OFF_AMAZON | (OF_THE_AUCTION if "attributed" in table else set())
    counts = ", ".join(f"count({name})" for name in columns)
    seen = [read(there, table, counts)[0] for there in worlds]

    empty = {c for n, c in enumerate(columns) if not any(row[n] for row in seen)}
    assert empty <= silent


INVARIANTS = {
    "dsp_impressions": [
        "impressions = 1",
        "impression_cost > 0 AND total_cost > impression_cost",
        # Fees are in microcents, a thousand to the millicent.
        (
            "abs(total_cost * 1000 - supply_cost - audience_fee - platform_fee"
            " - third_party_fees - managed_service_fee - ocm_fee) < 0.5"
        ),
        "impression_date_utc = CAST(impression_dt_utc AS DATE)",
        "impression_hour_utc = hour(impression_dt_utc)",
        "impression_dt_hour = date_trunc('hour', impression_dt)",
        "impression_dt_utc >= TIMESTAMP '2026-08-01'",
        "impression_dt_utc < TIMESTAMP '2026-08-08'",
        # New York is four hours behind UTC in August.
        "impression_dt = impression_dt_utc - INTERVAL 4 HOUR",
        "impression_dt_utc BETWEEN campaign_start_date_utc AND campaign_end_date_utc",
        "(user_id IS NULL) = (user_id_type IS NULL)",
        "(deal_id IS NULL) = (deal_name IS NULL)",
        (
            "list_has_all(coalesce(user_behavior_segment_ids, []),"
            " coalesce(matched_behavior_segment_ids, []))"
        ),
        (
            "(creative_category = 'Display') = (creative_duration IS NULL)"
            " OR creative_category IS NULL"
        ),
    ],
    "dsp_impressions_by_matched_segments": [
        "behavior_segment_matched = 1",
        "list_contains(matched_behavior_segment_ids, behavior_segment_id)",
    ],
    "dsp_impressions_by_user_segments": [
        "list_contains(user_behavior_segment_ids, behavior_segment_id)",
        (
            "(behavior_segment_matched = 1)"
            " = list_contains(matched_behavior_segment_ids, behavior_segment_id)"
        ),
    ],
    "dsp_clicks": [
        "clicks = 1",
        "click_dt_utc > impression_dt_utc",
        "click_dt_utc <= impression_dt_utc + INTERVAL 2 MINUTE",
    ],
    "dsp_views": [
        "viewable_impressions <= measurable_impressions",
        "(event_type = 'VIEW') = (viewable_impressions = 1)",
    ],
    "dsp_video_events_feed": [
        "video_complete <= video_third_quartile AND video_third_quartile <= video_midpoint",
        "video_midpoint <= video_first_quartile AND video_first_quartile <= video_start",
        "video_start <= video_impression AND video_impression <= impressions",
        "video_resume <= video_pause AND video_unmute <= video_mute",
        "video_impression = CASE WHEN creative_category = 'Video' THEN 1 ELSE 0 END",
    ],
    "sponsored_ads_traffic": [
        "impressions + clicks = 1",
        "(spend > 0) = (clicks = 1)",
        "viewable_impressions <= impressions",
        "video_complete_views <= video_first_quartile_views",
        "entity_id LIKE 'ENTITY%'",
        "ad_product_type IS NOT NULL",
    ],
    "amazon_attributed_events_by_conversion_time": [
        "user_id IS NOT NULL",
        "conversion_event_dt_utc >= traffic_event_dt_utc",
        "conversion_event_dt_utc <= traffic_event_dt_utc + INTERVAL 14 DAY",
        "impressions + clicks = 1",
        "purchases <= total_purchases AND total_purchases <= 1",
        "total_purchases = purchases + brand_halo_purchases",
        "total_purchases = total_purchases_clicks + total_purchases_views",
        "new_to_brand_total_purchases <= total_purchases",
        "total_product_sales = product_sales + brand_halo_product_sales",
        "total_units_sold >= total_purchases",
        "total_add_to_cart + total_detail_page_view + total_purchases = 1",
        "NOT new_to_brand OR total_purchases = 1",
    ],
    "conversions": [
        "(event_subtype = 'order') = (total_units_sold > 0)",
        "(event_subtype = 'order') = (total_product_sales > 0)",
        "NOT new_to_brand OR event_subtype = 'order'",
        "(event_category = 'purchase') = (event_subtype = 'order')",
    ],
    "conversions_with_relevance": [
        "(engagement_scope = 'PROMOTED') = (halo_code = 'TRACKED_ASIN')",
        "campaign IS NOT NULL",
    ],
    "amazon_pvc_streaming_events_feed": [
        "pv_seconds_viewed > 0 AND pv_seconds_viewed <= 110 * 60",
        "pv_is_avod <> pv_is_svod",
        "pv_gti_is_live = (pv_stream_type = 'live-event')",
    ],
    "amazon_pvc_enrollments": [
        "pv_end_date > pv_start_date",
        "(pv_unit_price > 0) = (pv_billing_type = 'PAID')",
        "pv_is_plan_start <> pv_is_plan_conversion",
    ],
    "experian_vehicle_purchases": ["vehicle_model_year <= year(purchase_date)"],
    "ncs_cpg_insights_stream": ["dayofweek(week_end_dt) = 6", "purchase_dollar_amount > 0"],
    "amazon_your_garage": [
        "creation_date <= update_date AND update_date <= last_accessed_date"
    ],
    "amazon_brand_store_page_views": ["(ingress_type = '4') = (reference_id IS NOT NULL)"],
    "amazon_retail_purchases": ["purchase_units_sold > 0", "unit_price > 0"],
    "audience_segments_amer_inmarket_snapshot": [
        "isodow(snapshot_datetime) = 4 AND day(snapshot_datetime) <= 7"
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "condition"), [(t, c) for t, several in INVARIANTS.items() for c in several]
)
def test_it_holds_for_every_row(connection, table, condition):
    holds(connection, table, condition)


def test_about_seven_in_a_hundred_events_have_no_user(connection):
    ((share,),) = read(connection, "dsp_impressions", "avg((user_id IS NULL)::INT)")
    assert 0.05 < share < 0.09


def test_a_conversion_without_exposure_is_among_all_and_nowhere_else(connection):
    columns = "list(DISTINCT conversion_id)"
    every, exposed, relevant = (
        set(read(connection, table, columns)[0][0])
        for table in ("conversions_all", "conversions", "conversions_with_relevance")
    )
    assert exposed < every
    assert relevant == exposed


def test_what_was_credited_is_found_among_the_exposures(connection):
    table = "amazon_attributed_events_by_conversion_time"
    credited = read(connection, table, "ad_product_type, request_tag, traffic_event_id")
    before = datetime(2026, 7, 15)  # noqa: DTZ001  UTC, as the file has it
    shown = {row[0] for row in read(connection, "dsp_impressions", "request_tag", start=before)}
    traffic = {
        row[0] for row in read(connection, "sponsored_ads_traffic", "event_id", start=before)
    }

    assert {tag for product, tag, _ in credited if product is None} <= shown
    assert {event for product, _, event in credited if product is not None} <= traffic


def test_a_click_shares_the_tag_of_its_impression(connection):
    clicks = {row[0] for row in read(connection, "dsp_clicks", "request_tag")}
    day_before = datetime(2026, 7, 31)  # noqa: DTZ001  likewise
    shown = {row[0] for row in read(connection, "dsp_impressions", "request_tag", start=day_before)}

    assert clicks <= shown


def test_nobody_is_new_to_a_brand_twice_within_two_weeks(raw):
    assert raw("SELECT count(*) > 0 FROM converted WHERE fresh = 1") == [(True,)]
    again = """SELECT count(*) FROM converted a JOIN converted b USING (uid, brand)
               WHERE a.fresh = 1 AND b.fresh = 1 AND a.key <> b.key
               AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 14 DAY"""
    assert raw(again) == [(0,)]


def test_conversions_are_credited_to_the_last_click_or_else_the_last_view(raw):
    best = """
        WITH touches AS (
            SELECT uid, ad, ts, 1 AS click FROM clicked
            UNION ALL SELECT uid, ad, ts, clicks FROM sponsored
            UNION ALL SELECT uid, ad, ts, 0 FROM shown
        ), found AS (
            SELECT c.key, max(t.ts) FILTER (click = 1) AS clicked,
                   max(t.ts) FILTER (click = 0) AS seen
            FROM converted c JOIN touches t USING (uid)
            JOIN ads a ON a.ad = t.ad AND a.brand = c.brand
            WHERE c.uid >= 0 AND t.ts BETWEEN c.ts - INTERVAL 14 DAY AND c.ts
            AND c.ts >= TIMESTAMP '2026-08-01' GROUP BY c.key
        )
        SELECT count(*), count(*) FILTER (e.key IS NULL OR e.tts <> coalesce(clicked, seen)
                                          OR e.is_click <> (clicked IS NOT NULL)::INT)
        FROM found LEFT JOIN credited e USING (key)"""
    ((rows, wrong),) = raw(best)

    assert rows
    assert wrong == 0


@pytest.mark.parametrize(
    ("marketplace", "country", "currency", "zone"),
    [
        ("ATVPDKIKX0DER", "US", "USD", "America/New_York"),
        ("A1PA6795UKMFR9", "DE", "EUR", "Europe/Berlin"),
        ("A1VC38T7YXB528", "JP", "JPY", "Asia/Tokyo"),
    ],
)
def test_an_instance_sells_where_its_account_does(marketplace, country, currency, zone):
    made = make_instance(DataPlan(7, "anything", 10, 0, 0, marketplace_id=marketplace))

    assert {country, currency, zone} <= set(made)
