"""How the columns of the traffic tables read: SQL over the facts, with the aliases of `columns`."""

_VIDEO = "(a.goal = 'Streaming TV' OR a.product_type = 'sponsored_television')"
_DRAW = "(f.key % 1000003 * 7919 % 100)"
"""Below 100, the same for a row in every file."""
COMMON = {
    "user_id": "u.user_id",
    "user_id_type": "CASE WHEN u.user_id IS NOT NULL THEN 'adUserId' END",
    "no_3p_trackers": "FALSE",
    "marketplace_name": "i.marketplace",
    "marketplace_id": "i.marketplace_id",
    "advertiser": "i.advertiser",
    "advertiser_id": "TRY_CAST(i.display AS BIGINT)",
    "advertiser_timezone": "i.zone",
    "currency_iso_code": "i.currency",
    "currency_code": "i.currency",
    "currency_name": "CASE i.currency WHEN 'USD' THEN 'Dollar (USA)' ELSE i.currency END",
    "purchase_currency": "i.currency",
    "segment_marketplace_id": "i.marketplace_id",
}
PEOPLE = {
    "postal_code": "i.country || '-' || u.postal_code",
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
CAMPAIGN = {
    "campaign": "a.campaign",
    "campaign_id": "a.campaign_id",
    "campaign_id_string": (
        "CASE WHEN a.product_type IS NULL THEN a.campaign_id::VARCHAR"
        " ELSE 'A' || upper(left(md5(a.campaign_id::VARCHAR), 19)) END"
    ),
    "campaign_sales_type": "'BILLABLE'",
    "campaign_source": "CASE WHEN a.product_type IS NULL THEN 'DSP' ELSE 'SPONSORED_ADS' END",
    "advertiser_id": "TRY_CAST(a.owner AS BIGINT)",
    "entity_id": (
        "CASE WHEN a.product_type IS NULL THEN 'ENTITY' || upper(left(md5(a.owner), 13))"
        " ELSE a.owner END"
    ),
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
    "creative_type": (
        f"CASE WHEN a.product_type IS NOT NULL THEN CASE WHEN {_VIDEO} THEN 'video'"
        f" ELSE 'static_image' END WHEN {_VIDEO} THEN 'Streaming TV Video'"
        " WHEN a.goal = 'Audio' THEN 'Audio' ELSE 'Standard Display' END"
    ),
    "creative_category": (
        f"CASE WHEN {_VIDEO} THEN 'Video' WHEN a.goal = 'Audio' THEN NULL ELSE 'Display' END"
    ),
    "creative_duration": f"CASE WHEN {_VIDEO} OR a.goal = 'Audio' THEN 30 END",
    "creative_is_link_in": "CASE WHEN a.product_type IS NULL THEN 'N' ELSE 'Y' END",
    "creative_asin": "a.asin",
    "merchant_id": "590000000 + a.brand",
    "ad_slot_size": "a.size",
    "line_item": "a.campaign || ' / ' || a.creative",
    "line_item_id": "770000000 + a.ad",
    "line_item_type": (
        f"coalesce(upper(a.product_type), CASE WHEN {_VIDEO} THEN 'AAP_VIDEO_CPM'"
        " ELSE 'AAP_DISPLAY' END)"
    ),
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
PLACE = {
    "site": "l.site",
    "slot_position": "l.slot",
    "supply_source": "l.source",
    "supply_source_id": "9000 + l.place",
    "environment_type": "l.environment",
    "is_amazon_owned": "l.source = 'Owned and operated'",
    "page_type": "CASE WHEN l.environment = 'App' THEN 'App' ELSE 'Article' END",
    "app_bundle": "CASE WHEN l.environment = 'App' THEN 'com.example.app' || l.place END",
    "deal_id": "CASE WHEN l.source = 'Publisher direct' THEN 'DEAL-' || (1000 + l.place) END",
    "deal_name": "CASE WHEN l.source = 'Publisher direct' THEN l.site || ' direct' END",
    "demand_channel": "'Amazon DSP'",
    "demand_channel_owner": "'Amazon'",
    "placement_is_view_aware": "TRUE",
    "placement_view_rate": "0.6 + 0.02 * (l.place % 5)",
    "supply_source_is_view_aware": "TRUE",
    "supply_source_view_rate": "0.65",
    "advertiser_account_frequency_group_ids": "[900000 + a.brand]",
    "manager_account_frequency_group_ids": "[910000]",
}
_FEES = {
    "supply_cost": "f.cost * 1000",
    "platform_fee": "f.cost * 60",
    "audience_fee": "f.cost * 50",
    "third_party_fees": "f.cost * 15",
    "managed_service_fee": "0",
    "ocm_fee": "0",
    "bid_price": "f.cost * 2000",
}
"""In microcents; `cost` is in millicents."""
SHOWN = {
    **_FEES,
    "impressions": "1",
    "impression_cost": "f.cost",
    "total_cost": "f.cost * 1.125",
    "request_tag": "md5('s' || f.key)",
    "behavior_segment_id": "g.segment_id",
    "behavior_segment_name": "g.name",
    "behavior_segment_description": "g.description",
    "user_behavior_segment_ids": "w.ids",
    "matched_behavior_segment_ids": "list_filter(w.ids, lambda x: x % 3 = a.ad % 3)",
}
CLICKED = {
    **_FEES,
    "clicks": "1",
    "click_cost": "f.cost * 50",
    "request_tag": "md5('s' || f.ikey)",
}
VIEWED = {
    "event_type": "CASE WHEN f.viewable = 1 THEN 'VIEW' ELSE 'MEASURABLE_IMP' END",
    "events": "1",
    "viewable_impressions": "f.viewable",
    "measurable_impressions": "1",
    "unmeasurable_viewable_impressions": "0",
    "view_definition": "'MRC'",
    "impression_id": "md5('s' || f.key)",
    "request_tag": "md5('s' || f.key)",
}


def _seen(condition: str, video: str = _VIDEO) -> str:
    return f"CASE WHEN {video} AND {condition} THEN 1 ELSE 0 END"


def _watched(per_cent: int) -> str:
    return _seen(f"{_DRAW} < {per_cent}")


VIDEO = {
    "video_impression": _seen("TRUE"),
    "video_start": _seen("TRUE"),
    "video_creative_view": _watched(96),
    "video_first_quartile": _watched(92),
    "video_midpoint": _watched(85),
    "video_third_quartile": _watched(78),
    "video_complete": _watched(70),
    "video_mute": _watched(20),
    "video_unmute": _watched(8),
    "video_click": _watched(1),
    "video_replay": _watched(2),
    "video_pause": _seen(f"{_DRAW} BETWEEN 20 AND 25"),
    "video_resume": _seen(f"{_DRAW} BETWEEN 20 AND 24"),
    "video_skip_forward": _seen(f"{_DRAW} BETWEEN 30 AND 33"),
    "video_skip_backward": _seen(f"{_DRAW} = 34"),
}
_SPONSORED_VIDEO = f"{_VIDEO} AND f.clicks = 0"
SPONSORED = {
    "impressions": "1 - f.clicks",
    "clicks": "f.clicks",
    "spend": "f.spend",
    "viewable_impressions": "f.viewable",
    "unmeasurable_viewable_impressions": "0",
    "view_definition": "CASE WHEN f.viewable = 1 THEN 'MRC' END",
    "event_id": "md5('t' || f.key)",
    "customer_search_term": "'search ' || (f.key % 20)",
    "operating_system": "u.system",
    "os_version": "u.version",
    "matched_behavior_segment_ids": (
        "CASE WHEN w.ids IS NOT NULL AND f.key % 4 = 0 THEN w.ids[1]::VARCHAR END"
    ),
    "five_sec_views": _seen(f"{_DRAW} < 90", _SPONSORED_VIDEO),
    "video_first_quartile_views": _seen(f"{_DRAW} < 92", _SPONSORED_VIDEO),
    "video_midpoint_views": _seen(f"{_DRAW} < 85", _SPONSORED_VIDEO),
    "video_third_quartile_views": _seen(f"{_DRAW} < 78", _SPONSORED_VIDEO),
    "video_complete_views": _seen(f"{_DRAW} < 70", _SPONSORED_VIDEO),
    "video_unmutes": _seen(f"{_DRAW} < 8", _SPONSORED_VIDEO),
}
