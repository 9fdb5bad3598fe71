"""The model of AMC's durations."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from services.simulator.bodies import ExecutionBody
from services.simulator.durations import durations_of, modelled_seconds
from services.simulator.execution import Order
from services.simulator.sql.compiler import compile_query
from services.simulator.windows import Window

QUERY = "SELECT campaign, SUM(impressions) AS i FROM dsp_impressions GROUP BY 1"
JOINED = """SELECT i.campaign, COUNT(DISTINCT c.user_id) AS n FROM dsp_impressions i
            JOIN dsp_clicks c ON c.user_id = i.user_id GROUP BY 1"""


def order_of(sql: str = QUERY, *, days: int = 7) -> Order:
    start = datetime(2026, 8, 1, tzinfo=UTC)
    window = Window(start, start + timedelta(days=days), "UTC", explicit=True)
    return Order("w", compile_query(sql, {}), ExecutionBody(), window, {}, None, 1)


@pytest.mark.parametrize(
    ("more", "users"),
    [(order_of(days=31), 50_000), (order_of(JOINED), 50_000), (order_of(), 90_000)],
)
def test_more_to_read_takes_longer(more, users):
    assert modelled_seconds(more, users) > modelled_seconds(order_of(), 50_000) > 40


def test_words_in_comments_and_texts_are_not_read():
    noisy = QUERY.replace("GROUP", "WHERE campaign <> 'join dsp_clicks' GROUP")

    assert modelled_seconds(order_of(f"-- join dsp_clicks\n{noisy}"), 50_000) == modelled_seconds(
        order_of(), 50_000
    )


def test_the_model_ends_before_amc_gives_up_and_repeats_for_the_same_draw():
    draw = durations_of("model", 10_000_000)
    orders = [order_of(JOINED, days=days) for days in (1, 30, 395)]

    taken = [[draw(order, Random(3)) for order in orders] for _ in range(2)]
    assert taken[0] == taken[1]
    assert max(taken[0]) == 18_000
