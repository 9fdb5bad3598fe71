"""Rows of some advertisers only: those an execution names, of those the instance has."""

from dataclasses import replace

import pytest

from services.simulator.duck.owners import advertisers_seen, plan_of
from tests.unit.services.simulator.duck.conftest import FACTS, PLAN

DISPLAY, SPONSORED = PLAN.advertisers
OF_DISPLAY = replace(FACTS, advertisers=frozenset({DISPLAY}))
OF_SPONSORED = replace(FACTS, advertisers=frozenset({SPONSORED}))
NOBODY = replace(FACTS, advertisers=frozenset())
COUNT = "SELECT COUNT(*) AS n FROM {}"
CREDITED = "amazon_attributed_events_by_traffic_time"


def number(rows) -> int:
    return int(rows[0][0])


@pytest.mark.parametrize(
    ("table", "owner"),
    [
        ("dsp_impressions", OF_DISPLAY),
        ("dsp_impressions_by_user_segments", OF_DISPLAY),
        ("dsp_clicks", OF_DISPLAY),
        ("dsp_views", OF_DISPLAY),
        ("sponsored_ads_traffic", OF_SPONSORED),
    ],
)
def test_traffic_belongs_to_one_advertiser(ask, table, owner):
    sql = COUNT.format(table)
    other = OF_SPONSORED if owner is OF_DISPLAY else OF_DISPLAY

    assert ask(sql, owner) == ask(sql)
    assert ask(sql, other) in ([], [("0",)])


@pytest.mark.parametrize("table", [CREDITED, "conversions", "conversions_with_relevance"])
def test_conversions_belong_to_whose_ads_they_are_credited_to(ask, table):
    sql = COUNT.format(table)
    everything, display, sponsored = (
        number(ask(sql, facts)) for facts in (FACTS, OF_DISPLAY, OF_SPONSORED)
    )

    assert 0 < display < everything
    assert 0 < sponsored < everything
    assert display + sponsored <= everything


def test_extended_windows_are_restricted_too(ask):
    sql = "SELECT COUNT(*) AS n FROM EXTEND_TIME_WINDOW('dsp_clicks', 'P7D', 'P0D') t"

    assert number(ask(sql, OF_DISPLAY)) > number(ask(COUNT.format("dsp_clicks")))
    assert ask(sql, OF_SPONSORED) in ([], [("0",)])


def test_what_no_advertiser_owns_is_seen_by_all(ask):
    for table in ("conversions_all", "amazon_retail_purchases", "amazon_pvc_enrollments"):
        assert ask(COUNT.format(table), NOBODY) == ask(COUNT.format(table))


def test_an_id_is_a_text_and_nothing_else(ask):
    sly = replace(FACTS, advertisers=frozenset({"x') OR TRUE --"}))

    assert ask(COUNT.format("dsp_clicks"), sly) in ([], [("0",)])
