"""One day of invented traffic, the same whatever period is asked for."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.simulator.duck.brands import Ad
from services.simulator.duck.plan import DataPlan

Ints = NDArray[np.int64]
Columns = dict[str, Ints]
DAY = 86_400
_NOBODY = 0.07
_SHOWN, _SPONSORED, _ORGANIC, _STORE = 0.25, 0.16, 0.006, 0.01
_CLICKED, _SPONSORED_CLICKED = 0.012, 0.09
_BOUGHT_AFTER_VIEW, _BOUGHT_AFTER_CLICK = 0.02, 0.35
_HOURS = (2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 7, 8, 8, 7, 7, 7, 8, 9, 10, 11, 10, 8, 4)
_VIEWABLE, _TWO_AT_ONCE = 0.65, 0.2
_LAG_HOURS = 30
_LONGEST_LAG = 13 * DAY
ORDER, CART, PAGE_VIEW = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Habits:
    """Guide tables: a uniform draw into one of them is a weighted draw."""

    users: Ints
    display_ads: Ints
    sponsored_ads: Ints
    hours: Ints
    brand_of_ad: Ints
    products_per_brand: int


def make_habits(plan: DataPlan, ads: list[Ad], products_per_brand: int) -> Habits:
    rng = _rng(plan, 0)
    activity = rng.lognormal(0.0, 0.9, plan.users)
    repeats = np.maximum(1, (activity * 12).astype(np.int64))

    def weighted(chosen: list[Ad]) -> Ints:
        weights = (rng.pareto(1.6, len(chosen)) * 40 + 12).astype(np.int64)
        return np.repeat(np.array([ad.ad for ad in chosen], dtype=np.int64), weights)

    return Habits(
        users=np.repeat(np.arange(plan.users, dtype=np.int64), repeats),
        display_ads=weighted([ad for ad in ads if ad.product_type is None]),
        sponsored_ads=weighted([ad for ad in ads if ad.product_type is not None]),
        hours=np.repeat(np.arange(24, dtype=np.int64), _HOURS),
        brand_of_ad=np.array([ad.brand for ad in ads], dtype=np.int64),
        products_per_brand=products_per_brand,
    )


@dataclass(frozen=True, slots=True)
class Day:
    """The facts of one day; times are seconds since the epoch."""

    shown: Columns
    clicked: Columns
    sponsored: Columns
    converted: Columns
    visited: Columns


def make_day(plan: DataPlan, habits: Habits, day: int) -> Day:
    """Conversions are those that the day's exposures lead to, up to 13 days later."""
    rng = _rng(plan, day)
    shown = _exposures(rng, habits, habits.display_ads, day=day, expected=int(plan.users * _SHOWN))
    size = len(shown["ts"])
    shown["place"] = rng.integers(0, 8, size)
    shown["cost"] = rng.integers(150, 900, size)
    shown["viewable"] = (rng.random(size) < _VIEWABLE).astype(np.int64)
    clicked = _clicks(rng, shown)
    sponsored = _exposures(
        rng, habits, habits.sponsored_ads, day=day, expected=int(plan.users * _SPONSORED)
    )
    size = len(sponsored["ts"])
    sponsored["clicks"] = (rng.random(size) < _SPONSORED_CLICKED).astype(np.int64)
    sponsored["spend"] = sponsored["clicks"] * rng.integers(30_000_000, 160_000_000, size)
    sponsored["term"] = rng.integers(0, 20, size)
    converted = _conversions(rng, habits, (shown, clicked, sponsored), day=day, users=plan.users)
    visited = _exposures(
        rng, habits, habits.display_ads, day=day, expected=int(plan.users * _STORE)
    )
    visited["dwell"] = rng.integers(3, 240, len(visited["ts"]))
    return Day(shown, clicked, sponsored, converted, visited)


def _rng(plan: DataPlan, day: int) -> np.random.Generator:
    key = zlib.crc32(f"{plan.seed}/{plan.instance_id}/{plan.users}".encode())
    return np.random.default_rng(np.random.SeedSequence([key, day]))


def _exposures(
    rng: np.random.Generator, habits: Habits, ads: Ints, *, day: int, expected: int
) -> Columns:
    size = int(rng.poisson(expected * (1.12 if (day + 3) % 7 > 4 else 1.0)))  # noqa: PLR2004  weekend
    uid = habits.users[rng.integers(0, len(habits.users), size)]
    hour = habits.hours[rng.integers(0, len(habits.hours), size)]
    return {
        "ts": day * DAY + hour * 3600 + rng.integers(0, 3600, size),
        "uid": np.where(rng.random(size) < _NOBODY, -1, uid),
        "ad": ads[rng.integers(0, len(ads), size)],
    }


def _clicks(rng: np.random.Generator, shown: Columns) -> Columns:
    chosen = rng.random(len(shown["ts"])) < _CLICKED
    clicked = {name: values[chosen] for name, values in shown.items() if name != "viewable"}
    clicked["its"] = clicked["ts"]
    clicked["ts"] = clicked["ts"] + rng.integers(1, 90, len(clicked["its"]))
    return clicked


def _conversions(
    rng: np.random.Generator,
    habits: Habits,
    exposures: tuple[Columns, Columns, Columns],
    *,
    day: int,
    users: int,
) -> Columns:
    parts = [_exposures(rng, habits, habits.display_ads, day=day, expected=int(users * _ORGANIC))]
    for seen in exposures:
        size = len(seen["ts"])
        is_click = seen.get("clicks", np.full(size, int("its" in seen)))
        chance = np.where(is_click > 0, _BOUGHT_AFTER_CLICK, _BOUGHT_AFTER_VIEW)
        chosen = rng.random(size) < chance
        parts.append({name: seen[name][chosen] for name in ("ts", "uid", "ad")})
    ts, uid, ad = (np.concatenate([part[name] for part in parts]) for name in ("ts", "uid", "ad"))
    size = len(ts)
    lag = np.minimum(rng.exponential(_LAG_HOURS * 3600, size), _LONGEST_LAG).astype(np.int64) + 5
    brand = habits.brand_of_ad[ad]
    kind = rng.choice(3, size, p=(0.22, 0.18, 0.60)).astype(np.int64)
    quantity = np.where(kind == ORDER, 1 + (rng.random(size) < _TWO_AT_ONCE), 0).astype(np.int64)
    product = brand * habits.products_per_brand + rng.integers(0, habits.products_per_brand, size)
    return {
        "ts": ts + lag, "uid": uid, "brand": brand, "product": product,
        "subtype": kind, "quantity": quantity,
    }  # fmt: skip
