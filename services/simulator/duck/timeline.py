"""The facts of a plan, told in chunks of days, so that memory does not grow with the period.

What a conversion rests on lies at most two weeks before it: its exposures, the order before it.
That much is remembered from chunk to chunk, and nothing else, so that neither the chunks nor the
period change a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.simulator.duck.attribution import WINDOW, Touches, attribute, new_to_brand
from services.simulator.duck.paid import make_paid
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.traffic import (
    DAY,
    LONGEST_LAG_DAYS,
    ORDER,
    Columns,
    Day,
    Habits,
    make_day,
)

_WINDOW_DAYS = WINDOW // DAY
_WARM_UP = 2 * LONGEST_LAG_DAYS
"""Days of exposures before the first row that counts: for the order before an order."""
_ROWS = 400_000
"""Of a chunk, about."""
_ROWS_PER_USER = 0.45
Facts = dict[str, Columns]


def chunks(plan: DataPlan, habits: Habits) -> Iterator[Facts]:
    """The plan's facts by table, in the order of time."""
    told = Timeline(plan, habits)
    days = plan.written
    length = max(1, int(_ROWS / (_ROWS_PER_USER * plan.users)))
    for first in range(days.start - _WARM_UP, days.stop, length):
        facts = told.until(first, min(first + length, days.stop))
        if facts:
            yield facts


@dataclass(slots=True)
class Timeline:
    """What has happened so far, as far as it bears on what comes."""

    plan: DataPlan
    habits: Habits
    clicks: Touches = field(init=False)
    views: Touches = field(init=False)
    pending: Columns | None = None
    """Conversions of days to come."""
    orders: Columns | None = None
    """Those of the last two weeks."""

    def __post_init__(self) -> None:
        self.clicks = Touches(self.habits.brand_of_ad)
        self.views = Touches(self.habits.brand_of_ad)

    def until(self, first: int, stop: int) -> Facts:
        """The facts of the days from `first`, where the last call stopped; what lies before the
        plan's days is only remembered."""
        days = [make_day(self.plan, self.habits, day) for day in range(first, stop)]
        self._remember(days)
        converted = self._converted(days, stop)
        credited = attribute(converted, self.clicks, self.views)
        row = credited.pop("row")
        credited |= {name: values[row] for name, values in converted.items() if name != "exposed"}
        converted["exposed"][row] = 1
        horizon = (stop - _WINDOW_DAYS) * DAY
        self.clicks.forget(horizon)
        self.views.forget(horizon)
        skipped = max(first, self.plan.written.start) - first
        return self._written(days, first, skipped) | {
            "converted": _since(converted, self.plan.written.start * DAY),
            "credited": _since(credited, self.plan.written.start * DAY),
        }

    def _remember(self, days: list[Day]) -> None:
        shown = joined([day.shown for day in days])
        clicked = joined([day.clicked for day in days])
        sponsored = joined([day.sponsored for day in days])
        is_click = sponsored["clicks"] > 0
        self.views.add(shown, shown["key"])
        self.clicks.add(clicked, clicked["ikey"])
        for touches, chosen in ((self.views, ~is_click), (self.clicks, is_click)):
            found = {name: sponsored[name][chosen] for name in ("ts", "uid", "ad", "key")}
            touches.add(found, found["key"])

    def _converted(self, days: list[Day], stop: int) -> Columns:
        found = [day.converted for day in days]
        known = joined(found if self.pending is None else [self.pending, *found])
        order = np.lexsort((known["key"], known["ts"]))
        known = {name: values[order] for name, values in known.items()}
        now = int(np.searchsorted(known["ts"], stop * DAY))
        self.pending = {name: values[now:] for name, values in known.items()}
        known = {name: values[:now].copy() for name, values in known.items()}
        return known | {"fresh": self._fresh(known, stop)}

    def _fresh(self, converted: Columns, stop: int) -> np.ndarray:
        names = ("ts", "uid", "brand", "subtype")
        these = {name: converted[name] for name in names}
        both = these if self.orders is None else joined([self.orders, these])
        chosen = (
            (both["subtype"] == ORDER)
            & (both["ts"] >= stop * DAY - WINDOW - DAY)
            & (both["uid"] >= 0)
        )
        self.orders = {name: values[chosen] for name, values in both.items()}
        return new_to_brand(both)[len(both["ts"]) - len(these["ts"]) :]

    def _written(self, days: list[Day], first: int, skipped: int) -> Facts:
        wanted = days[skipped:]
        if not wanted:
            return {}
        told = {
            name: joined([getattr(day, name) for day in wanted])
            for name in ("shown", "clicked", "sponsored", "visited")
        }
        paid = [
            make_paid(self.plan, self.habits, day)
            for day in range(first + skipped, first + len(days))
        ]
        return told | {name: joined([day[name] for day in paid]) for name in paid[0]}


def joined(parts: Sequence[Columns]) -> Columns:
    """The rows of all parts, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _since(facts: Columns, moment: int) -> Columns:
    chosen = facts["ts"] >= moment
    return {name: values[chosen] for name, values in facts.items()}
