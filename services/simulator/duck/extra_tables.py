"""Columns of the documented tables that the shared catalogue knows by name only.

From Amazon's data source guides, as far as they are known; each line is
`name type D|M threshold` with N(one), L(ow), M(edium), H(igh), V(ery high), I(nternal).
"""

from functools import cache

from services.simulator.catalogue import Column, DataSource, data_sources

_USER = """
user_id STRING D V
user_id_type STRING D L
no_3p_trackers BOOLEAN D N
marketplace_name STRING D L
"""
_SEGMENT = """
segment_id INTEGER D L
segment_name STRING D L
segment_marketplace_id LONG D L
"""
_SNAPSHOT = "snapshot_datetime DATE D L"
_METADATA = """
category_level_1 STRING D L
category_level_2 STRING D L
category_path STRING D L
segment_description STRING D L
no_3p_trackers BOOLEAN D N
"""
_STORE = """
advertiser_id LONG D L
channel STRING D L
device_type STRING D M
event_date_utc DATE D L
event_dt_utc TIMESTAMP D L
ingress_type STRING D L
marketplace_id INTEGER D I
no_3p_trackers BOOLEAN D N
page_id STRING D L
page_title STRING D L
reference_id STRING D L
referrer_domain STRING D L
session_id STRING D V
store_name STRING D L
user_id STRING D V
user_id_type STRING D L
visit_id STRING D V
"""
_RETAIL = """
asin STRING D L
asin_brand STRING D L
asin_name STRING D L
asin_parent STRING D L
currency_code STRING D L
event_id STRING D V
is_business_flag BOOLEAN D L
is_gift_flag BOOLEAN D L
marketplace_id INTEGER D I
origin_session_id STRING D V
purchase_date_utc DATE D L
purchase_day_utc INTEGER D L
purchase_dt_utc TIMESTAMP D M
purchase_dt_hour_utc TIMESTAMP D L
purchase_hour_utc INTEGER D L
purchase_id STRING D V
purchase_month_utc INTEGER D L
purchase_order_method STRING D L
purchase_order_type STRING D L
purchase_program_name STRING D L
purchase_session_id STRING D V
purchase_units_sold LONG M N
unit_price DECIMAL(38,4) M N
"""
_GARAGE = """
creation_date DATE D L
garage_bodystyle STRING D L
garage_brakes STRING D L
garage_drivetype STRING D L
garage_engine STRING D L
garage_make STRING D L
garage_model STRING D L
garage_submodel STRING D L
garage_transmission STRING D L
garage_year STRING D L
last_accessed_date DATE D L
update_date DATE D L
vehicle_type STRING D L
"""
_VEHICLES = """
new_or_used STRING D L
no_3p_trackers BOOLEAN D N
purchase_date DATE D L
reported_dealership STRING D M
user_id STRING D V
user_id_type STRING D L
vehicle_class STRING D L
vehicle_fuel_type STRING D L
vehicle_make STRING D L
vehicle_model STRING D M
vehicle_model_year INTEGER D L
vehicle_registered_state STRING D L
vehicle_type STRING D L
"""
_EXTRA = {
    "segment_metadata": _SEGMENT + _METADATA,
    "amazon_brand_store_page_views": _STORE + "dwell_time DECIMAL(38,4) D L",
    "amazon_brand_store_engagement_events": _STORE
    + "asin STRING D L\nevent_sub_type STRING D L\nevent_type STRING D L\n"
    + "widget_sub_type STRING D L\nwidget_type STRING D L",
    "amazon_retail_purchases": _RETAIL + _USER,
    "amazon_your_garage": _GARAGE + _USER,
    "experian_vehicle_purchases": _VEHICLES,
}
_LEVELS = {"N": "NONE", "L": "LOW", "M": "MEDIUM", "H": "HIGH", "V": "VERY_HIGH", "I": "INTERNAL"}


@cache
def all_tables() -> dict[str, DataSource]:
    """Every table of the catalogue with columns, by lower-case name."""
    return {
        name: source if source.columns else DataSource(name, _columns(_text(name)))
        for name, source in data_sources().items()
    }


def _text(name: str) -> str:
    if name.startswith("audience_segments_"):
        return _SEGMENT + (_SNAPSHOT if name.endswith("_snapshot") else "") + _USER
    return _EXTRA.get(name, _USER)


def _columns(text: str) -> dict[str, Column]:
    found = {}
    for line in filter(None, text.splitlines()):
        name, data_type, kind, level = line.split()
        role = "METRIC" if kind == "M" else "DIMENSION"
        found[name] = Column(name, data_type, role, _LEVELS[level])
    return found
