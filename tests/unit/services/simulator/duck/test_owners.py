"""Rows of some advertisers only: those an execution names, of those the instance has."""

from dataclasses import replace

import pytest

from services.simulator.advertisers import AdvertiserChange, AdvertiserId, AdvertiserUpdate
from services.simulator.bodies import ExecutionBody
from services.simulator.duck.owners import advertisers_seen, plan_of
from services.simulator.execution import Order
from services.simulator.settings import SimulatorSettings
from services.simulator.simulator import build_simulator
from services.simulator.sql.compiler import compile_query
from services.simulator.windows import resolve_window
from tests.unit.services.simulator.conftest import ManualClock
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


class Bench:
    """An engine whose clock is set by hand; nothing is run."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        settings = SimulatorSettings(engine="made-up", seed=5)
        self.simulator = build_simulator(settings, self.clock)
        self.instance = self.simulator.world.instances["amcsimthde1"]
        self.display, self.sponsored = self.instance.first_advertisers

    def seen(self, *named: AdvertiserId) -> frozenset[str] | None:
        body = ExecutionBody(workflow_id="w", advertisers=list(named) or None)
        window = resolve_window(body, self.clock.at)
        query = compile_query(COUNT.format("dsp_clicks"), {})
        order = Order("w", query, body, window, {}, None, 1)
        engine = self.simulator.engine
        return advertisers_seen(engine.create(self.instance, order, engine.advance()))

    def update(self, **members: list[dict[str, str]]) -> None:
        """One that is done at once."""
        change = AdvertiserChange.model_validate(members)
        made = AdvertiserUpdate(1, change, self.clock.at, 1.0, refused=False)
        self.instance.updates.append(made)
        self.clock.pass_(61)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_execution_that_names_nobody_or_everybody_sees_all(bench):
    assert bench.seen() is None
    assert bench.seen(bench.display, bench.sponsored) is None


def test_an_execution_sees_those_it_names(bench):
    stranger = AdvertiserId(id="4711", type="DISPLAY")

    assert bench.seen(bench.display) == {bench.display.id}
    assert bench.seen(bench.sponsored, stranger) == {bench.sponsored.id}
    assert bench.seen(stranger) == frozenset()


def test_an_advertiser_that_was_removed_takes_its_rows_along_and_brings_them_back(bench):
    bench.update(advertisersToRemove=[bench.display.model_dump()])
    assert bench.seen() == {bench.sponsored.id}

    bench.update(advertisersToAdd=[bench.display.model_dump()])
    assert bench.seen() is None


def test_data_are_of_the_instance_its_marketplace_and_its_advertisers(bench):
    plan = plan_of(bench.instance, seed=5, users=100)

    assert plan.instance_id == "amcsimthde1"
    assert plan.marketplace_id == "A1PA6795UKMFR9"
    assert plan.advertisers == (bench.display.id, bench.sponsored.id)
