"""How each column of AMC's tables is read from the narrow facts of a data file.

Aliases in the expressions: f the fact, u the user, a the ad, l the place, p the product,
g the segment, w all segments of the user, t the title, c the car, h the article on the shelf,
i the instance. A column without an expression is a typed NULL.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from services.simulator.catalogue import Column
from services.simulator.duck.facts import text_sql
from services.simulator.duck.paid_columns import (
    BOUGHT,
    DROVE,
    ENROLLED,
    GARAGE,
    SATURDAY,
    SEGMENT,
    STREAMED,
    VISITED,
)
from services.simulator.duck.sales_columns import CONVERTED, CREDITED, RELEVANT, measure
from services.simulator.duck.traffic_columns import (
    CAMPAIGN,
    CLICKED,
    COMMON,
    PEOPLE,
    PLACE,
    SHOWN,
    SPONSORED,
    VIDEO,
    VIEWED,
)
from services.simulator.duck.types import duck_type

JOINS = {
    "u": "JOIN users u ON u.uid = f.uid",
    "a": "JOIN ads a ON a.ad = f.ad",
    "l": "JOIN places l ON l.place = f.place",
    "p": "JOIN products p ON p.product = f.product",
    "g": "JOIN segments g ON g.segment_id = 300001 + f.segment",
    "t": "JOIN titles t ON t.title = f.title",
    "c": "JOIN cars c ON c.car = f.car",
    "h": "JOIN shelf h ON h.item = f.item",
    "w": (
        "LEFT JOIN (SELECT uid, list(300001 + segment ORDER BY segment) AS ids"
        " FROM user_segments GROUP BY uid) w ON w.uid = f.uid"
    ),
    "i": "CROSS JOIN instance i",
}
_BEGAN, _ENDED = "TIMESTAMP '2025-01-06 00:00:00'", "TIMESTAMP '2027-12-31 23:59:59'"
_TIME = re.compile(r"(?P<prefix>\w+?)_(?P<part>dt_hour|dt|date|day|hour)(?P<utc>_utc)?")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a table is read: `time` restricts it to the window, `uid` says whose a row is."""

    source: str
    known: Mapping[str, str]
    times: Mapping[str, str] = field(default_factory=dict)
    time: str | None = None
    uid: str | None = "f.uid"
    owned: str | None = None
    """What ties a row to an advertiser: its `ad`, or the ads its `conversion` is credited to."""

    def expression(self, column: Column) -> str:
        text = self.known.get(column.name) or self._derived(column.name)
        return f"CAST({text or 'NULL'} AS {duck_type(column.data_type)})"

    def _derived(self, name: str) -> str | None:
        if match := _TIME.fullmatch(name):
            moment = self.times.get(match["prefix"])
            return _moment(moment, match["part"], utc=bool(match["utc"])) if moment else None
        return measure(name) if self.source == "credited" else None

    def belongs_to(self, advertisers: Iterable[str]) -> str | None:
        """Restricts the rows to advertisers by their ids; None for a table that has none."""
        ids = ", ".join(map(text_sql, sorted(advertisers))) or "NULL"
        return _OWNED[self.owned].format(ids=ids) if self.owned else None


def joins_for(expressions: list[str]) -> str:
    """The joins that the expressions need."""
    used = set(re.findall(r"\b([ualpgwtchi])\.", " ".join(expressions)))
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


_SPAN = {
    "campaign_start": _BEGAN, "campaign_end": _ENDED, "line_item_start": _BEGAN,
    "line_item_end": _ENDED, "ad_group_start": _BEGAN, "ad_group_end": _ENDED,
}  # fmt: skip
_OWNED = {
    "ad": "f.ad IN (SELECT o.ad FROM ads o WHERE o.owner IN ({ids}))",
    "conversion": (
        "f.key IN (SELECT e.key FROM credited e JOIN ads o ON o.ad = e.ad WHERE o.owner IN ({ids}))"
    ),
}
_DISPLAY = {**COMMON, **PEOPLE, **CAMPAIGN, **PLACE}
_BOUGHT_TIMES = {**_SPAN, "event": "f.ts", "purchase": "f.ts"}
_CREDIT_TIMES = {
    **_SPAN, "conversion_event": "f.ts", "traffic_event": "f.tts",
    "click": "CASE WHEN f.is_click = 1 THEN f.tts END",
    "impression": "CASE WHEN f.is_click = 0 THEN f.tts END",
}  # fmt: skip


def _shown(source: str, extra: Mapping[str, str]) -> Reading:
    times = {**_SPAN, "impression": "f.ts"}
    return Reading(source, {**_DISPLAY, **SHOWN, **extra}, times, "f.ts", owned="ad")


def _converted(source: str, known: Mapping[str, str], owned: str | None) -> Reading:
    return Reading(source, {**COMMON, **known}, _BOUGHT_TIMES, "f.ts", owned=owned)


def _sold(source: str, known: Mapping[str, str], countries: str = "") -> Reading:
    """A paid table, if it is there in every country or in those that are named."""
    if countries:
        there = f"EXISTS (FROM instance n WHERE n.country IN ({countries}))"
        source = f"(SELECT * FROM {source} WHERE {there})"  # noqa: S608  own names
    times = {"event": "f.ts", "pv_playback": "f.ts"}
    return Reading(source, {**COMMON, **known}, times, "f.ts")


_MATCHED = "CASE WHEN g.segment_id % 3 = f.ad % 3 THEN 1 ELSE 0 END"
_WITH_SEGMENT = "(SELECT s.*, g.segment FROM shown s JOIN user_segments g ON g.uid = s.uid{})"
_EXPOSED = "(SELECT * FROM converted WHERE exposed = 1)"
_RELEVANT = """(SELECT s.*, o.ad FROM converted s JOIN
    (SELECT brand, min(ad) AS ad FROM ads GROUP BY brand, campaign_id) o ON o.brand = s.brand
    WHERE s.exposed = 1)"""
_ORDERS = "(SELECT * FROM converted WHERE subtype = 0)"
_CREDIT = {**COMMON, **PEOPLE, **CAMPAIGN, **CREDITED}
_STORE = Reading("visited", {**COMMON, **VISITED}, {"event": "f.ts"}, "f.ts")
_READINGS = {
    "dsp_impressions": _shown("shown", {}),
    "dsp_video_events_feed": _shown("shown", VIDEO),
    "dsp_impressions_by_matched_segments": _shown(
        _WITH_SEGMENT.format(" WHERE (300001 + g.segment) % 3 = s.ad % 3"),
        {"behavior_segment_matched": "1"},
    ),
    "dsp_impressions_by_user_segments": _shown(
        _WITH_SEGMENT.format(""), {"behavior_segment_matched": _MATCHED}
    ),
    "dsp_clicks": Reading(
        "clicked", {**_DISPLAY, **CLICKED}, {**_SPAN, "click": "f.ts", "impression": "f.its"},
        "f.ts", owned="ad",
    ),
    "dsp_views": Reading(
        "shown", {**_DISPLAY, **VIEWED}, {**_SPAN, "event": "f.ts"}, "f.ts", owned="ad"
    ),
    "sponsored_ads_traffic": Reading(
        "sponsored", {**COMMON, **CAMPAIGN, **SPONSORED}, {**_SPAN, "event": "f.ts"}, "f.ts",
        owned="ad",
    ),
    "amazon_attributed_events_by_conversion_time": Reading(
        "credited", _CREDIT, _CREDIT_TIMES, "f.ts", owned="ad"
    ),
    "amazon_attributed_events_by_traffic_time": Reading(
        "credited", _CREDIT, _CREDIT_TIMES, "f.tts", owned="ad"
    ),
    "conversions": _converted(_EXPOSED, CONVERTED, "conversion"),
    "conversions_all": _converted("converted", CONVERTED, None),
    "conversions_with_relevance": _converted(_RELEVANT, {**CAMPAIGN, **RELEVANT}, "ad"),
    "amazon_retail_purchases": _converted(_ORDERS, CONVERTED, None),
    "amazon_brand_store_page_views": _STORE,
    "amazon_brand_store_engagement_events": _STORE,
    "segment_metadata": Reading(
        "(SELECT segment_id - 300001 AS segment FROM segments)", {**COMMON, **SEGMENT}, uid=None
    ),
    "amazon_pvc_streaming_events_feed": _sold("streamed", STREAMED),
    "amazon_pvc_enrollments": _sold("enrolled", ENROLLED),
    "experian_vehicle_purchases": _sold("drove", DROVE, "'US'"),
    "ncs_cpg_insights_stream": replace(_sold("groceries", BOUGHT, "'US'"), time=SATURDAY),
    "amazon_your_garage": replace(_sold("garage", GARAGE, "'US', 'CA', 'MX'"), time=None),
}  # fmt: skip
_THURSDAYS = """(SELECT DATE '1970-01-01' + d.day AS snapshot FROM
    (SELECT unnest(range(first_day - 28, last_day + 15))::INTEGER AS day FROM instance) d
    WHERE isodow(DATE '1970-01-01' + d.day) = 4 AND day(DATE '1970-01-01' + d.day) <= 7)"""


@cache
def reading_of(table: str) -> Reading:
    """How the table is read."""
    name = table.removesuffix("_for_audiences")
    return _READINGS.get(name) or _segments(name)


def _segments(name: str) -> Reading:
    """`audience_segments_<area>_<kind>[_snapshot]`: now, or on the first Thursdays of months."""
    _, _, area, kind = name.split("_")[:4]
    columns, days = ("m.*, d.snapshot", f", {_THURSDAYS} d") if "_snapshot" in name else ("m.*", "")
    source = (
        f"(SELECT {columns} FROM user_segments m JOIN segments s"  # noqa: S608  own names
        f" ON s.segment_id = 300001 + m.segment CROSS JOIN instance n{days}"
        f" WHERE n.area = '{area}' AND s.lifestyle = {kind == 'lifestyle'})"
    )
    return Reading(source, {**COMMON, **SEGMENT}, time="f.snapshot" if days else None)
