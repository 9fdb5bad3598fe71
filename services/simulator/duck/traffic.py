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
LONGEST_LAG_DAYS = 14
"""No conversion follows its exposure later."""
ORDER, CART, PAGE_VIEW = 0, 1, 2
_ORDINALS = 24
"""Bits of a key below its day."""


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
    rng = rng_of(plan, 0)
    activity = rng.lognormal(0.0, 0.9, plan.users)
    repeats = np.maximum(1, (activity * 12).astype(np.int64))

    def weighted(chosen: list[Ad]) -> Ints:
        weights = (rng.pareto(1.6, len(chosen)) * 40 + 12).astype(np.int64)
        return np.repeat(np.array([ad.ad for ad in chosen], dtype=np.int64), weights)

    return Habits(
        users=np.repeat(np.arange(plan.users, dtype=np.int32), repeats),
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
    """A row for each impression and one for each click."""
    converted: Columns
    """Those that the day's exposures lead to, up to `LONGEST_LAG_DAYS` later, and chance ones."""
    visited: Columns


def make_day(plan: DataPlan, habits: Habits, day: int) -> Day:
    """What happens on a day; `key` names a row for good, whichever file it is in."""
    rng = rng_of(plan, day)
    shown = exposures(rng, habits, habits.display_ads, day=day, expected=plan.users * _SHOWN)
    size = len(shown["ts"])
    shown["place"] = rng.integers(0, 8, size)
    shown["cost"] = rng.integers(150, 900, size)
    shown["viewable"] = (rng.random(size) < _VIEWABLE).astype(np.int64)
    clicked = _clicks(rng, shown, day)
    sponsored = _sponsored(rng, habits, day=day, users=plan.users)
    converted = _conversions(rng, habits, (shown, clicked, sponsored), day=day, users=plan.users)
    visited = exposures(rng, habits, habits.sponsored_ads, day=day, expected=plan.users * _STORE)
    visited["dwell"] = rng.integers(3, 240, len(visited["ts"]))
    return Day(shown, clicked, sponsored, converted, visited)


def rng_of(plan: DataPlan, *parts: int) -> np.random.Generator:
    """The draws of one day, or of whatever else the numbers name."""
    key = zlib.crc32(f"{plan.seed}/{plan.instance_id}/{plan.users}".encode())
    return np.random.default_rng(np.random.SeedSequence([key, *parts]))


def exposures(
    rng: np.random.Generator, habits: Habits, ads: Ints, *, day: int, expected: float
) -> Columns:
    """When, who and what; -1 is somebody who was not recognised."""
    size = int(rng.poisson(expected * (1.12 if (day + 3) % 7 > 4 else 1.0)))  # noqa: PLR2004  weekend
    uid = habits.users[rng.integers(0, len(habits.users), size)].astype(np.int64)
    hour = habits.hours[rng.integers(0, len(habits.hours), size)]
    return {
        "ts": np.sort(day * DAY + hour * 3600 + rng.integers(0, 3600, size)),
        "uid": np.where(rng.random(size) < _NOBODY, -1, uid),
        "ad": ads[rng.integers(0, len(ads), size)],
        "key": keys_of(day, size),
    }


def keys_of(day: int, size: int) -> Ints:
    """One for each of a day's rows, in their order."""
    return (day << _ORDINALS) + np.arange(size, dtype=np.int64)


def _clicks(rng: np.random.Generator, shown: Columns, day: int) -> Columns:
    chosen = rng.random(len(shown["ts"])) < _CLICKED
    clicked = {name: values[chosen] for name, values in shown.items() if name != "viewable"}
    size = len(clicked["ts"])
    clicked["its"], clicked["ikey"] = clicked["ts"], clicked["key"]
    clicked["ts"] = clicked["ts"] + rng.integers(1, 90, size)
    clicked["key"] = keys_of(day, size)
    return clicked


def _sponsored(rng: np.random.Generator, habits: Habits, *, day: int, users: int) -> Columns:
    seen = exposures(rng, habits, habits.sponsored_ads, day=day, expected=users * _SPONSORED)
    size = len(seen["ts"])
    seen["viewable"] = (rng.random(size) < _VIEWABLE).astype(np.int64)
    seen["clicks"] = seen["spend"] = np.zeros(size, dtype=np.int64)
    chosen = rng.random(size) < _SPONSORED_CLICKED
    clicks = {name: values[chosen] for name, values in seen.items()}
    count = len(clicks["ts"])
    last = (day + 1) * DAY - 1
    clicks["ts"] = np.minimum(clicks["ts"] + rng.integers(1, 90, count), last)
    clicks["viewable"] = np.zeros(count, dtype=np.int64)
    clicks["clicks"] = np.ones(count, dtype=np.int64)
    clicks["spend"] = rng.integers(30_000_000, 160_000_000, count)
    both = {name: np.concatenate([values, clicks[name]]) for name, values in seen.items()}
    order = np.argsort(both["ts"], kind="stable")
    found = {name: values[order] for name, values in both.items()}
    return found | {"key": keys_of(day, size + count)}


def _conversions(
    rng: np.random.Generator,
    habits: Habits,
    seen: tuple[Columns, Columns, Columns],
    *,
    day: int,
    users: int,
) -> Columns:
    parts = [exposures(rng, habits, habits.display_ads, day=day, expected=users * _ORGANIC)]
    organic = len(parts[0]["ts"])
    for facts in seen:
        size = len(facts["ts"])
        is_click = facts.get("clicks", np.full(size, int("its" in facts)))
        chance = np.where(is_click > 0, _BOUGHT_AFTER_CLICK, _BOUGHT_AFTER_VIEW)
        chosen = rng.random(size) < chance
        parts.append({name: facts[name][chosen] for name in ("ts", "uid", "ad")})
    ts, uid, ad = (np.concatenate([part[name] for part in parts]) for name in ("ts", "uid", "ad"))
    size = len(ts)
    lag = np.minimum(rng.exponential(_LAG_HOURS * 3600, size), _LONGEST_LAG).astype(np.int64) + 5
    brand = habits.brand_of_ad[ad]
    kind = rng.choice(3, size, p=(0.22, 0.18, 0.60)).astype(np.int64)
    quantity = np.where(kind == ORDER, 1 + (rng.random(size) < _TWO_AT_ONCE), 0).astype(np.int64)
    product = brand * habits.products_per_brand + rng.integers(0, habits.products_per_brand, size)
    return {
        "ts": ts + lag, "uid": uid, "brand": brand, "product": product,
        "subtype": kind, "quantity": quantity, "key": keys_of(day, size),
        "exposed": (np.arange(size) >= organic).astype(np.int64),
    }  # fmt: skip
