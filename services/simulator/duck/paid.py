"""What Amazon sells beside the traffic: Prime Video channels, vehicle and grocery purchases.

Few rows a day, drawn apart from the traffic, so that neither changes the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.simulator.duck.plan import DataPlan
from services.simulator.duck.traffic import DAY, Columns, Habits, exposures, rng_of

Row = tuple[object, ...]
_STAYS = 0.6
TRIAL_DAYS = 7
TITLE_COLUMNS = "title name series kind genre rating season episode minutes"
SHELF_COLUMNS = "item department super_category category product_category brand sub_brand"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Events of one sort: how many a user has in a day, and what is drawn below which number."""

    number: int
    rate: float
    draws: Mapping[str, int]


_STREAMS = _Kind(1, 0.02, {"title": 24, "share": 100})
_ENROLMENTS = _Kind(2, 0.0015, {"offer": 4, "stays": 100, "promo": 5})
_VEHICLES = _Kind(3, 0.0008, {"car": 12, "age": 12, "used": 2})
_GROCERIES = _Kind(4, 0.01, {"item": 12, "pieces": 4, "price": 60})


def make_paid(plan: DataPlan, habits: Habits, day: int) -> dict[str, Columns]:
    """The day's rows by table."""
    return {
        "streamed": _streamed(plan, habits, day),
        "enrolled": _enrolled(plan, habits, day),
        "drove": _drawn(plan, habits, day, _VEHICLES),
        "groceries": _drawn(plan, habits, day, _GROCERIES),
    }


def make_titles() -> list[Row]:
    """In the order of `TITLE_COLUMNS`."""
    shows = ("Harbour Lights", "The Long Shelf", "Night Ferry", "Paper Garden")
    found: list[Row] = [
        (4 * s + e, f"{show}: part {e + 1}", show, "TV Episode", s, "13+", 1 + e // 2, e + 1, 45)
        for s, show in enumerate(shows)
        for e in range(4)
    ]
    films = ("Low Tide", "Second Winter", "The Cartographer", "Blue Kettle", "Orchard Road")
    found += [
        (16 + n, film, film, "Movie", n, "16+", None, None, 100) for n, film in enumerate(films)
    ]
    live = ("Cup quarter-final", "Evening derby", "City marathon")
    found += [
        (21 + n, name, name, "Live Event", 5, "ALL", None, None, 110) for n, name in enumerate(live)
    ]
    return found


def make_cars() -> list[Row]:
    """`(car, make, model, class, type, fuel)`."""
    makes = ("Alder", "Borea", "Corvid", "Delmar")
    kinds = (
        ("Mainstream", "Sedan", "Gas"),
        ("Mainstream", "SUV", "Hybrid"),
        ("Luxury", "SUV", "Electric"),
    )
    return [
        (3 * m + k, make, f"{make} {kind[1]} {k + 1}", *kind)
        for m, make in enumerate(makes)
        for k, kind in enumerate(kinds)
    ]


def make_shelf() -> list[Row]:
    """In the order of `SHELF_COLUMNS`."""
    goods = (
        ("Grocery", "Beverages", "Tea"), ("Grocery", "Beverages", "Coffee"),
        ("Grocery", "Snacks", "Bars"), ("Household", "Paper", "Towels"),
    )  # fmt: skip
    brands = ("Meadow", "Copperpot", "Plain & Good")
    return [
        (3 * g + b, *good, f"{good[2]} packs", brand, f"{brand} {good[2]}")
        for g, good in enumerate(goods)
        for b, brand in enumerate(brands)
    ]


def _streamed(plan: DataPlan, habits: Habits, day: int) -> Columns:
    found = _drawn(plan, habits, day, _STREAMS)
    found["share"] += 1
    return found


def _enrolled(plan: DataPlan, habits: Habits, day: int) -> Columns:
    """Trials that begin, and those that a week later are paid for."""
    begun, kept = (_drawn(plan, habits, d, _ENROLMENTS) for d in (day, day - TRIAL_DAYS))
    chosen = kept["stays"] < 100 * _STAYS
    kept = {name: values[chosen] for name, values in kept.items()}
    kept["ts"] = kept["ts"] + TRIAL_DAYS * DAY
    for facts, is_paid in ((begun, 0), (kept, 1)):
        facts["paid"] = np.full(len(facts["ts"]), is_paid, dtype=np.int64)
    return {name: np.concatenate([begun[name], kept[name]]) for name in begun}


def _drawn(plan: DataPlan, habits: Habits, day: int, kind: _Kind) -> Columns:
    rng = rng_of(plan, day, kind.number)
    found = exposures(rng, habits, habits.display_ads, day=day, expected=plan.users * kind.rate)
    del found["ad"]
    size = len(found["ts"])
    return found | {name: rng.integers(0, below, size) for name, below in kind.draws.items()}
