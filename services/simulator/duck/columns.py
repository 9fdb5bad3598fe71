"""How each column of AMC's tables is read from the narrow facts of a data file.

Aliases in the expressions: f the fact, u the user, a the ad, l the place, p the product,
g the segment, i the instance. A column without an expression is a typed NULL.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from services.simulator.catalogue import Column
from services.simulator.duck.types import duck_type

JOINS = {
    "u": "JOIN users u ON u.uid = f.uid",
    "a": "JOIN ads a ON a.ad = f.ad",
    "l": "JOIN places l ON l.place = f.place",
    "p": "JOIN products p ON p.product = f.product",
    "g": "JOIN segments g ON g.segment_id = 300001 + f.segment",
    "i": "CROSS JOIN instance i",
}
_BEGAN, _ENDED = "TIMESTAMP '2025-01-06 00:00:00'", "TIMESTAMP '2027-12-31 23:59:59'"
_COMMON = {
    "user_id": "u.user_id",
    "user_id_type": "CASE WHEN u.user_id IS NOT NULL THEN 'adUserId' END",
    "no_3p_trackers": "FALSE",
    "marketplace_name": "i.marketplace",
    "marketplace_id": "CASE i.country WHEN 'US' THEN 1 WHEN 'GB' THEN 3 ELSE 4 END",
    "advertiser": "i.advertiser",
    "advertiser_id": "4200000001",
    "advertiser_timezone": "i.zone",
    "entity_id": "'ENTITY' || upper(left(md5(i.advertiser), 12))",
    "currency_iso_code": "i.currency",
    "currency_code": "i.currency",
    "currency_name": "i.currency",
    "purchase_currency": "i.currency",
    "segment_marketplace_id": "CASE i.country WHEN 'US' THEN 1 WHEN 'GB' THEN 3 ELSE 4 END",
}
_PEOPLE = {
    "postal_code": "u.postal_code",
    "city_name": "u.city",
    "dma_code": "u.dma_code",
    "device_type": "u.device",
    "device_make": "CASE WHEN u.system IN ('iOS', 'macOS') THEN 'Apple' ELSE 'Other' END",
    "device_model": "u.device || ' ' || u.version",
    "device_id": "md5(u.user_id)",
    "operating_system": "u.system",
    "os_version": "u.version",
    "browser_family": "u.browser",
    "iso_country_code": "i.country",
    "iso_state_province_code": "u.region",
}
_CAMPAIGN = {
    "campaign": "a.campaign",
    "campaign_id": "a.campaign_id",
    "campaign_id_string": "a.campaign_id",
    "campaign_budget_amount": "1000000 + 50000 * a.brand",
    "campaign_primary_goal": "a.goal",
    "campaign_status": "'RUNNING'",
    "campaign_country": "i.country",
    "campaign_flight_id": "a.campaign_id + 7",
    "campaign_insertion_order_id": "a.campaign_id + 9",
    "campaign_budget_type": "'DAILY'",
    "creative": "a.creative",
    "creative_id": "880000000 + a.ad",
    "creative_size": "a.size",
    "creative_type": "CASE WHEN a.size = '' THEN 'Product' ELSE 'Image' END",
    "creative_category": "'Display'",
    "ad_slot_size": "a.size",
    "line_item": "a.campaign || ' / ' || a.creative",
    "line_item_id": "770000000 + a.ad",
    "line_item_type": "coalesce(a.product_type, 'STANDARD_DISPLAY')",
    "line_item_status": "'ENABLED'",
    "line_item_price_type": "CASE WHEN a.product_type IS NULL THEN 'CPM' ELSE 'CPC' END",
    "line_item_budget_amount": "250000",
    "ad_group": "a.creative",
    "ad_group_status": "'ENABLED'",
    "ad_group_type": "a.product_type",
    "ad_product_type": "a.product_type",
    "portfolio_id": "660000000 + a.brand",
    "portfolio_name": "a.brand_name",
    "product_line": "a.brand_name",
    "targeting": "lower(a.goal)",
    "match_type": "CASE a.ad % 3 WHEN 0 THEN 'EXACT' WHEN 1 THEN 'PHRASE' ELSE 'BROAD' END",
    "placement_type": "CASE a.ad % 2 WHEN 0 THEN 'Top of Search on-Amazon' ELSE 'Detail Page' END",
}
_PLACE = {
    "site": "l.site",
    "slot_position": "l.slot",
    "supply_source": "l.source",
    "supply_source_id": "9000 + l.place",
    "environment_type": "l.environment",
    "is_amazon_owned": "l.source = 'Owned and operated'",
    "page_type": "CASE WHEN l.environment = 'App' THEN 'App' ELSE 'Article' END",
}
_SHOWN = {
    "impressions": "1",
    "impression_cost": "f.cost",
    "total_cost": "f.cost * 1.125",
    "supply_cost": "f.cost",
    "platform_fee": "f.cost // 20",
    "audience_fee": "f.cost // 25",
    "bid_price": "f.cost * 2",
    "request_tag": "md5('s' || f.key)",
    "behavior_segment_id": "g.segment_id",
    "behavior_segment_name": "g.name",
    "behavior_segment_description": "g.description",
    "behavior_segment_matched": "1",
    "video_start": "1",
    "video_complete": "f.viewable",
}
_CLICKED = {
    "clicks": "1",
    "click_cost": "f.cost * 50",
    "supply_cost": "f.cost",
    "bid_price": "f.cost * 2",
    "request_tag": "md5('c' || f.key)",
}
_VIEWED = {
    "event_type": "CASE WHEN f.viewable = 1 THEN 'VIEW' ELSE 'MEASURABLE_IMP' END",
    "events": "1",
    "viewable_impressions": "f.viewable",
    "measurable_impressions": "1",
    "unmeasurable_viewable_impressions": "0",
    "view_definition": "'MRC'",
    "impression_id": "md5('s' || f.key)",
}
_SPONSORED = {
    "impressions": "1 - f.clicks",
    "clicks": "f.clicks",
    "spend": "f.spend",
    "viewable_impressions": "f.viewable",
    "unmeasurable_viewable_impressions": "0",
    "view_definition": "'MRC'",
    "event_id": "md5('t' || f.key)",
    "customer_search_term": "'search ' || (f.key % 20)",
    "operating_system": "u.system",
    "os_version": "u.version",
}
_KIND = "CASE f.subtype WHEN 0 THEN 'order' WHEN 1 THEN 'shoppingCart' ELSE 'detailPageView' END"
_CLASS = "CASE f.subtype WHEN 0 THEN 'conversion' ELSE 'interaction' END"
_SALES = "f.quantity * p.price"
_CONVERTED = {
    "conversions": "1",
    "event_category": "CASE f.subtype WHEN 0 THEN 'purchase' ELSE 'website' END",
    "event_subtype": _KIND,
    "event_type": "CASE f.subtype WHEN 2 THEN 'PAGE_VIEW' ELSE 'CONVERSION' END",
    "event_type_class": _CLASS,
    "event_type_description": "'Event on the marketplace: ' || " + _KIND,
    "conversion_id": "md5('v' || f.key)",
    "event_id": "md5('v' || f.key)",
    "new_to_brand": "f.fresh = 1",
    "purchase_unit_price": "CASE WHEN f.subtype = 0 THEN p.price END",
    "unit_price": "p.price",
    "total_product_sales": _SALES,
    "combined_sales": _SALES,
    "total_units_sold": "f.quantity",
    "purchase_units_sold": "f.quantity",
    "tracked_asin": "p.asin",
    "tracked_item": "p.asin",
    "asin": "p.asin",
    "asin_parent": "p.asin",
    "asin_brand": "p.title",
    "asin_name": "p.title",
    "purchase_id": "md5('o' || f.key)",
    "is_gift_flag": "FALSE",
    "is_business_flag": "FALSE",
    "engagement_scope": "'PROMOTED'",
    "halo_code": "'TRACKED_ASIN'",
}
_CREDITED = {
    **{
        name.replace("event_", "conversion_event_", 1): text
        for name, text in _CONVERTED.items()
        if name.startswith("event_")
    },
    "conversions": "1",
    "impressions": "1 - f.is_click",
    "clicks": "f.is_click",
    "conversion_event_marketplace_name": "i.marketplace",
    "traffic_event_marketplace_name": "i.marketplace",
    "traffic_event_type": "CASE f.is_click WHEN 1 THEN 'CLICK' ELSE 'VIEW' END",
    "traffic_event_subtype": "CASE f.is_click WHEN 1 THEN 'CLICK' ELSE 'VIEW' END",
    "traffic_event_id": "md5('e' || f.key)",
    "combined_sales": _SALES,
    "new_to_brand": "f.fresh = 1",
    "purchase_unit_price": "CASE WHEN f.subtype = 0 THEN p.price END",
    "tracked_asin": "p.asin",
    "tracked_item": "p.asin",
}
_VISITED = {
    "dwell_time": "f.dwell",
    "page_id": "'page-' || f.ad",
    "page_title": "a.brand_name || ' store'",
    "store_id": "'store-' || a.brand",
    "store_name": "a.brand_name",
    "session_id": "md5('b' || f.key)",
    "visit_id": "md5('b' || f.key)",
    "ingress_type": "CASE f.ad % 3 WHEN 0 THEN 'Ads' WHEN 1 THEN 'Search' ELSE 'Direct' END",
    "device_type": "u.device",
    "event_type": "'CLICK'",
    "event_sub_type": "'PRODUCT'",
    "widget_type": "'Gallery'",
}
_SEGMENT = {
    "segment_id": "g.segment_id",
    "segment_name": "g.name",
    "segment_description": "g.description",
    "category_l1": "CASE WHEN g.lifestyle THEN 'Lifestyle' ELSE 'In-market' END",
    "category_path": "g.name",
    "snapshot_datetime": "DATE '2026-01-01'",
}
_MEASURE = re.compile(
    r"(?P<fresh>new_to_brand_)?(?P<scope>total_|brand_halo_)?"
    r"(?P<what>purchases|product_sales|units_sold|add_to_cart|detail_page_view)"
    r"(?P<by>_clicks|_views)?"
)
_MEASURES = {
    "purchases": ("f.subtype = 0", "1"),
    "product_sales": ("f.subtype = 0", _SALES),
    "units_sold": ("f.subtype = 0", "f.quantity"),
    "add_to_cart": ("f.subtype = 1", "1"),
    "detail_page_view": ("f.subtype = 2", "1"),
}
_TIME = re.compile(r"(?P<prefix>\w+?)_(?P<part>dt_hour|dt|date|day|hour)(?P<utc>_utc)?")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a table is read: `time` restricts it to the window, `uid` says whose a row is."""

    source: str
    known: Mapping[str, str]
    times: Mapping[str, str] = field(default_factory=dict)
    time: str | None = None
    uid: str | None = "f.uid"

    def expression(self, column: Column) -> str:
        text = self.known.get(column.name) or self._derived(column.name)
        return f"CAST({text or 'NULL'} AS {duck_type(column.data_type)})"

    def _derived(self, name: str) -> str | None:
        if match := _TIME.fullmatch(name):
            moment = self.times.get(match["prefix"])
            return _moment(moment, match["part"], utc=bool(match["utc"])) if moment else None
        if self.source == "credited" and (match := _MEASURE.fullmatch(name)):
            return _measure(match)
        return None


def joins_for(expressions: list[str]) -> str:
    """The joins that the expressions need."""
    used = set(re.findall(r"\b([ualpgi])\.", " ".join(expressions)))
    return " ".join(text for alias, text in JOINS.items() if alias in used)


def _moment(moment: str, part: str, *, utc: bool) -> str:
    at = moment if utc else f"timezone(i.zone, timezone('UTC', {moment}))"
    match part:
        case "dt":
            return at
        case "dt_hour":
            return f"date_trunc('hour', {at})"
        case "date":
            return f"CAST({at} AS DATE)"
        case _:
            return f"{part}({at})"


def _measure(match: re.Match[str]) -> str:
    condition, value = _MEASURES[match["what"]]
    conditions = [condition]
    if match["fresh"]:
        conditions.append("f.fresh = 1")
    if match["scope"] != "total_":
        # What belongs to the advertised product, and what to the rest of its brand.
        test = "=" if match["scope"] is None else "<>"
        conditions.append(f"f.product % 2 {test} f.ad % 2")
    if match["by"]:
        conditions.append(f"f.is_click = {int(match['by'] == '_clicks')}")
    return f"CASE WHEN {' AND '.join(conditions)} THEN {value} ELSE 0 END"


_SPAN = {
    "campaign_start": _BEGAN, "campaign_end": _ENDED, "line_item_start": _BEGAN,
    "line_item_end": _ENDED, "ad_group_start": _BEGAN, "ad_group_end": _ENDED,
}  # fmt: skip
_DISPLAY = {**_COMMON, **_PEOPLE, **_CAMPAIGN, **_PLACE}
_WITH_SEGMENT = "(SELECT s.*, g.segment FROM shown s JOIN user_segments g ON g.uid = s.uid)"
_DISPLAY_IMPRESSIONS = Reading(
    "shown", {**_DISPLAY, **_SHOWN}, {**_SPAN, "impression": "f.ts"}, "f.ts"
)
_CREDIT = {**_COMMON, **_PEOPLE, **_CAMPAIGN, **_CREDITED}
_CREDIT_TIMES = {
    **_SPAN, "conversion_event": "f.ts", "traffic_event": "f.tts",
    "click": "CASE WHEN f.is_click = 1 THEN f.tts END",
    "impression": "CASE WHEN f.is_click = 0 THEN f.tts END",
}  # fmt: skip
_CONVERSION_TIMES = {**_SPAN, "event": "f.ts", "purchase": "f.ts"}
_ORDERS = "(SELECT * FROM converted WHERE subtype = 0)"
_STORE = Reading("visited", {**_COMMON, **_CAMPAIGN, **_VISITED}, {"event": "f.ts"}, "f.ts")
_READINGS = {
    "dsp_impressions": _DISPLAY_IMPRESSIONS,
    "dsp_video_events_feed": _DISPLAY_IMPRESSIONS,
    "dsp_impressions_by_matched_segments": Reading(
        _WITH_SEGMENT, _DISPLAY_IMPRESSIONS.known, _DISPLAY_IMPRESSIONS.times, "f.ts"
    ),
    "dsp_impressions_by_user_segments": Reading(
        _WITH_SEGMENT, _DISPLAY_IMPRESSIONS.known, _DISPLAY_IMPRESSIONS.times, "f.ts"
    ),
    "dsp_clicks": Reading(
        "clicked",
        {**_DISPLAY, **_CLICKED},
        {**_SPAN, "click": "f.ts", "impression": "f.its"},
        "f.ts",
    ),
    "dsp_views": Reading("shown", {**_DISPLAY, **_VIEWED}, {**_SPAN, "event": "f.ts"}, "f.ts"),
    "sponsored_ads_traffic": Reading(
        "sponsored", {**_COMMON, **_CAMPAIGN, **_SPONSORED}, {**_SPAN, "event": "f.ts"}, "f.ts"
    ),
    "amazon_attributed_events_by_conversion_time": Reading(
        "credited", _CREDIT, _CREDIT_TIMES, "f.ts"
    ),
    "amazon_attributed_events_by_traffic_time": Reading(
        "credited", _CREDIT, _CREDIT_TIMES, "f.tts"
    ),
    "conversions": Reading("converted", {**_COMMON, **_CONVERTED}, _CONVERSION_TIMES, "f.ts"),
    "conversions_all": Reading("converted", {**_COMMON, **_CONVERTED}, _CONVERSION_TIMES, "f.ts"),
    "conversions_with_relevance": Reading(
        "converted", {**_COMMON, **_CONVERTED}, _CONVERSION_TIMES, "f.ts"
    ),
    "amazon_retail_purchases": Reading(
        _ORDERS, {**_COMMON, **_CONVERTED}, _CONVERSION_TIMES, "f.ts"
    ),
    "amazon_brand_store_page_views": _STORE,
    "amazon_brand_store_engagement_events": _STORE,
    "segment_metadata": Reading(
        "(SELECT segment_id - 300001 AS segment FROM segments)", {**_COMMON, **_SEGMENT}, uid=None
    ),
}


@cache
def reading_of(table: str) -> Reading:
    """How the table is read; what has no data here is a table without rows."""
    name = table.removesuffix("_for_audiences")
    if name in _READINGS:
        return _READINGS[name]
    if name.startswith("audience_segments_"):
        lifestyle = "lifestyle" in name
        area = {"amer": "('US')", "eu": "('DE', 'GB')"}.get(name.split("_")[2], "('')")
        source = (
            "(SELECT m.* FROM user_segments m JOIN segments s ON s.segment_id = 300001 + m.segment"  # noqa: S608  own names
            f" CROSS JOIN instance n WHERE n.country IN {area} AND s.lifestyle = {lifestyle})"
        )
        return Reading(source, {**_COMMON, **_SEGMENT})
    return Reading("(SELECT * FROM visited WHERE FALSE)", _COMMON)
