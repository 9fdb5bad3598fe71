"""How long AMC takes for a run: by a profile of numbers, or by what the query has to read.

The model is ours: Amazon publishes none. It reads `rows = users x days x 0.25` of each table that
the SQL names, as often as it names it, at 5,000 rows a second; every JOIN adds 60 % of that; 40
seconds come on top, and a jitter of about a fifth. All of it is AMC's time, not this machine's.
"""

import math
import re
from collections.abc import Callable
from functools import lru_cache
from random import Random

from services.simulator.catalogue import data_sources
from services.simulator.distribution import Distribution
from services.simulator.execution import Order

MODEL = "model"
_START_SECONDS = 40.0
_ROWS_PER_USER_AND_DAY = 0.25
_ROWS_PER_SECOND = 5_000.0
_SHARE_OF_A_JOIN = 0.6
_JITTER = 0.2
_MOST_SECONDS = 18_000.0
"""Below the six hours after which AMC gives up where nothing else is asked for."""
_NOT_CODE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)

Durations = Callable[[Order, Random], float]
"""AMC seconds from RUNNING to the end; the generator is the execution's own."""


def durations_of(profile: str, users: int) -> Durations:
    """ValueError if the text is neither `model` nor a profile of numbers."""
    if profile != MODEL:
        numbers = Distribution.parse(profile)
        return lambda _order, rng: numbers.draw(rng)

    def draw(order: Order, rng: Random) -> float:
        jitter = math.exp(rng.gauss(0.0, _JITTER))
        return min(modelled_seconds(order, users) * jitter, _MOST_SECONDS)

    return draw


def modelled_seconds(order: Order, users: int) -> float:
    """Without jitter and without the limit."""
    days = (order.window.end - order.window.start).total_seconds() / 86_400
    tables, joins = _shape(order.query.sql)
    rows = users * days * _ROWS_PER_USER_AND_DAY * tables
    return _START_SECONDS + rows / _ROWS_PER_SECOND * (1 + _SHARE_OF_A_JOIN * joins)


@lru_cache(maxsize=2048)
def _shape(sql: str) -> tuple[int, int]:
    """How often a query names a table, and how often it joins."""
    words = re.findall(r"\w+", _NOT_CODE.sub(" ", sql).lower())
    return sum(word in data_sources() for word in words), words.count("join")
