"""How the columns of the paid tables read: SQL over the facts, with the aliases of `columns`."""

_INGRESS = "(f.key % 3)"
"""Where a visit came from; the column has AMC's numbers: ads 4, search 1, elsewhere 0."""
VISITED = {
    "dwell_time": "f.dwell",
    "page_id": "'page-' || f.ad",
    "page_title": "a.brand_name || ' store'",
    "store_name": "a.brand_name",
    "session_id": "md5('b' || f.key)",
    "visit_id": "md5('b' || f.key)",
    "ingress_type": f"CASE {_INGRESS} WHEN 0 THEN '4' WHEN 1 THEN '1' ELSE '0' END",
    "reference_id": f"CASE {_INGRESS} WHEN 0 THEN a.campaign_id::VARCHAR END",
    "referrer_domain": (
        f"CASE {_INGRESS} WHEN 2 THEN 'search.example' ELSE lower(i.marketplace) END"
    ),
    "channel": f"CASE {_INGRESS} WHEN 2 THEN 'newsletter' END",
    "asin": "a.asin",
    "device_type": "u.device",
    "event_type": "'CLICK'",
    "event_sub_type": "'PRODUCT'",
    "widget_type": "'Gallery'",
    "widget_sub_type": "'Tile'",
}
SEGMENT = {
    "segment_id": "g.segment_id",
    "segment_name": "g.name",
    "segment_description": "g.description",
    "category_level_1": "CASE WHEN g.lifestyle THEN 'Lifestyle' ELSE 'In-market' END",
    "category_level_2": "split_part(g.name, ' - ', 2)",
    "category_path": (
        "CASE WHEN g.lifestyle THEN 'Lifestyle' ELSE 'In-market' END"
        " || '/' || split_part(g.name, ' - ', 2)"
    ),
    "snapshot_datetime": "f.snapshot",
}
_LIVE = "t.kind = 'Live Event'"
STREAMED = {
    "pv_access_type": "CASE WHEN f.key % 5 = 0 THEN 'free' ELSE 'subscription' END",
    "pv_offer_group": "CASE WHEN f.key % 5 = 0 THEN 'free' ELSE 'prime' END",
    "pv_is_avod": "f.key % 5 = 0",
    "pv_is_svod": "f.key % 5 <> 0",
    "pv_is_channels": "TRUE",
    "pv_is_hh_share": "f.key % 9 = 0",
    "pv_is_user_initiated": "f.key % 7 <> 0",
    "pv_gti_cast": "[70000 + t.title, 70001 + t.title]",
    "pv_gti_director": "[71000 + t.title // 4]",
    "pv_gti_genre": "[72000 + t.genre]",
    "pv_gti_content_entity_type": "t.kind",
    "pv_gti_content_type": "t.kind",
    "pv_gti_content_rating": "t.rating",
    "pv_gti_season": "t.season::VARCHAR",
    "pv_gti_episode": "t.episode::VARCHAR",
    "pv_gti_event_context": f"CASE WHEN {_LIVE} THEN 'sport' END",
    "pv_gti_event_item": f"CASE WHEN {_LIVE} THEN t.name END",
    "pv_gti_event_league": f"CASE WHEN {_LIVE} THEN 'Invented League' END",
    "pv_gti_event_name": f"CASE WHEN {_LIVE} THEN t.name END",
    "pv_gti_event_sport": f"CASE WHEN {_LIVE} THEN 'Football' END",
    "pv_gti_is_live": _LIVE,
    "pv_gti_release_date": "DATE '2024-01-05' + (7 * t.title)::INTEGER",
    "pv_gti_series_or_movie_name": "t.series",
    "pv_gti_studio": "'Studio ' || (1 + t.genre)",
    "pv_gti_title_name": "t.name",
    "pv_material_type": f"CASE WHEN {_LIVE} THEN 'live' ELSE 'full' END",
    "pv_stream_type": f"CASE WHEN {_LIVE} THEN 'live-event' ELSE 'VOD' END",
    "pv_seconds_viewed": "t.minutes * 60 * f.share / 100",
    "pv_session_id": "md5('k' || f.key)",
    "pv_streaming_asin": "'B0' || upper(left(md5(t.name), 8))",
    "pv_streaming_gti": "'gti.' || t.title",
    "pv_streaming_geo_country": "i.country",
    "pv_streaming_language": "CASE WHEN i.country IN ('DE') THEN 'de' ELSE 'en' END",
}
_CHANNEL = "(f.offer % 4)"
ENROLLED = {
    "pv_benefit_id": f"'benefit-' || {_CHANNEL}",
    "pv_benefit_name": f"'Channel ' || (1 + {_CHANNEL})",
    "pv_billing_type": "CASE f.paid WHEN 1 THEN 'PAID' ELSE 'FREE_TRIAL' END",
    "pv_enrollment_status": "'ACTIVE'",
    "pv_start_date": "f.ts::DATE",
    "pv_end_date": "f.ts::DATE + CASE f.paid WHEN 1 THEN 30 ELSE 7 END",
    "pv_is_latest_record": "f.paid = 1 OR f.stays >= 60",
    "pv_is_plan_conversion": "f.paid = 1",
    "pv_is_plan_start": "f.paid = 0",
    "pv_is_promo": "f.promo = 0",
    "pv_offer_name": f"'Channel ' || (1 + {_CHANNEL}) || ' monthly'",
    "pv_sub_event_primary_key": "md5('n' || f.key || f.paid)",
    "pv_subscription_id": "md5('n' || f.key)",
    "pv_subscription_name": f"'Channel ' || (1 + {_CHANNEL})",
    "pv_subscription_product_id": f"'product-' || {_CHANNEL}",
    "pv_unit_price": f"CASE f.paid WHEN 1 THEN 4.99 + {_CHANNEL} ELSE 0 END",
}
DROVE = {
    "new_or_used": "CASE f.used WHEN 0 THEN 'N' ELSE 'U' END",
    "purchase_date": "f.ts::DATE",
    "reported_dealership": "'Dealership ' || (1 + f.key % 7)",
    "vehicle_class": "c.class",
    "vehicle_fuel_type": "c.fuel",
    "vehicle_make": "c.make",
    "vehicle_model": "c.model",
    "vehicle_model_year": "year(f.ts) - CASE f.used WHEN 0 THEN 0 ELSE f.age END",
    "vehicle_registered_state": "u.region",
    "vehicle_type": "c.type",
}
SATURDAY = "date_trunc('week', f.ts + INTERVAL 1 DAY) + INTERVAL 5 DAY"
"""The last day of a week that begins on Sunday; DuckDB's begin on Monday."""
BOUGHT = {
    "brand": "h.brand",
    "sub_brand": "h.sub_brand",
    "category": "h.category",
    "product_category": "h.product_category",
    "super_category": "h.super_category",
    "department": "h.department",
    "household_purchase_id": "md5('y' || f.key)",
    "ncs_household_id": "md5('z' || u.user_id)",
    "purchase_quantity": "1 + f.pieces",
    "purchase_dollar_amount": "(1 + f.pieces) * (1.5 + 0.25 * f.price)",
    "week_end_dt": f"CAST({SATURDAY} AS DATE)",
}
GARAGE = {
    "creation_date": "DATE '1970-01-01' + f.created",
    "update_date": "DATE '1970-01-01' + (f.created + f.accessed) // 2",
    "last_accessed_date": "DATE '1970-01-01' + f.accessed",
    "garage_make": "c.make",
    "garage_model": "c.model",
    "garage_year": "f.model_year::VARCHAR",
    "garage_submodel": "CASE f.car % 2 WHEN 0 THEN 'Base' ELSE 'Plus' END",
    "garage_bodystyle": "c.type",
    "garage_engine": "c.fuel || ' engine'",
    "garage_transmission": "CASE f.car % 3 WHEN 0 THEN 'Manual' ELSE 'Automatic' END",
    "garage_drivetype": "CASE f.car % 2 WHEN 0 THEN 'FWD' ELSE 'AWD' END",
    "garage_brakes": "'Disc'",
    "vehicle_type": "c.type",
}
