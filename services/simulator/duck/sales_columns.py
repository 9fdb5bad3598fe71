"""How the columns of the conversion tables read: SQL over facts, with the aliases of `columns`."""

import re

PROMOTED = "f.product % 2 = f.ad % 2"
"""What an ad promotes; the rest of its brand is its halo."""
_KIND = "CASE f.subtype WHEN 0 THEN 'order' WHEN 1 THEN 'shoppingCart' ELSE 'detailPageView' END"
_CLASS = "CASE f.subtype WHEN 0 THEN 'conversion' ELSE 'interaction' END"
_SALES = "f.quantity * p.price"
CONVERTED = {
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
    "asin_brand": "p.brand_name",
    "asin_name": "p.title",
    "purchase_id": "md5('o' || f.key)",
    "origin_session_id": "md5('q' || f.key)",
    "purchase_session_id": "md5('q' || f.key)",
    "purchase_order_method": "CASE f.key % 3 WHEN 0 THEN 'S' WHEN 1 THEN 'B' ELSE '1' END",
    "purchase_order_type": "CASE WHEN f.key % 4 > 0 THEN 'Prime' ELSE 'NON-PRIME' END",
    "purchase_program_name": "'RETAIL'",
    "purchase_month_utc": "month(f.ts)",
    "is_gift_flag": "FALSE",
    "is_business_flag": "FALSE",
}
_EXPOSURE = "md5(CASE WHEN a.product_type IS NULL THEN 's' ELSE 't' END || f.tkey)"
RELEVANT = {
    **CONVERTED,
    "engagement_scope": f"CASE WHEN {PROMOTED} THEN 'PROMOTED' ELSE 'BRAND_HALO' END",
    "halo_code": f"CASE WHEN {PROMOTED} THEN 'TRACKED_ASIN' ELSE 'BRAND_MARKETPLACE' END",
}
CREDITED = {
    **{
        name.replace("event_", "conversion_event_", 1): text
        for name, text in CONVERTED.items()
        if name.startswith("event_")
    },
    "conversions": "1",
    "impressions": "1 - f.is_click",
    "clicks": "f.is_click",
    "conversion_event_marketplace_name": "i.marketplace",
    "traffic_event_marketplace_name": "i.marketplace",
    "traffic_event_type": "CASE f.is_click WHEN 1 THEN 'CLICK' ELSE 'VIEW' END",
    "traffic_event_subtype": "CASE f.is_click WHEN 1 THEN 'CLICK' ELSE 'VIEW' END",
    "traffic_event_id": _EXPOSURE,
    "request_tag": _EXPOSURE,
    "customer_search_term": (
        "CASE WHEN a.product_type IS NOT NULL THEN 'search ' || (f.tkey % 20) END"
    ),
    "combined_sales": _SALES,
    "new_to_brand": "f.fresh = 1",
    "purchase_unit_price": "CASE WHEN f.subtype = 0 THEN p.price END",
    "tracked_asin": "p.asin",
    "tracked_item": "p.asin",
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


def measure(name: str) -> str | None:
    """A column such as `new_to_brand_total_purchases_clicks`; None for any other."""
    match = _MEASURE.fullmatch(name)
    if match is None:
        # Nothing is subscribed to in this world.
        return "0" if name.startswith("digital_") else None
    condition, value = _MEASURES[match["what"]]
    conditions = [condition]
    if match["fresh"]:
        conditions.append("f.fresh = 1")
    if match["scope"] != "total_":
        conditions.append(PROMOTED if match["scope"] is None else f"NOT {PROMOTED}")
    if match["by"]:
        conditions.append(f"f.is_click = {int(match['by'] == '_clicks')}")
    return f"CASE WHEN {' AND '.join(conditions)} THEN {value} ELSE 0 END"
