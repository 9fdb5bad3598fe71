"""Which exposure a conversion is credited to, and who is new to a brand."""

import numpy as np

from services.simulator.duck.traffic import DAY, ORDER, Columns, Ints

_WINDOW = 14 * DAY
_NEW = 45
"""Per cent of (user, brand) pairs that had not bought in the year before the data begin."""


def attribute(conversions: Columns, clicks: Columns, views: Columns, brand_of_ad: Ints) -> Columns:
    """The credited conversions: last click, else last view, of the same user and brand within
    14 days. `row` is the conversion, `tts` and `ad` the exposure."""
    wanted = _key(conversions["uid"], conversions["brand"], conversions["ts"])
    by_click, click_ts, click_ad = _last(wanted, clicks, brand_of_ad)
    by_view, view_ts, view_ad = _last(wanted, views, brand_of_ad)
    credited = (by_click | by_view) & (conversions["uid"] >= 0)
    rows = np.flatnonzero(credited)
    return {
        "row": rows,
        "is_click": by_click[rows].astype(np.int64),
        "tts": np.where(by_click, click_ts, view_ts)[rows],
        "ad": np.where(by_click, click_ad, view_ad)[rows],
    }


def new_to_brand(conversions: Columns) -> Ints:
    """1 for the first order of a user with a brand within two weeks, if no earlier customer."""
    uid, brand, ts = conversions["uid"], conversions["brand"], conversions["ts"]
    order = np.flatnonzero(conversions["subtype"] == ORDER)
    order = order[np.argsort(_key(uid, brand, ts)[order], kind="stable")]
    pair = uid[order] * 64 + brand[order]
    gap = np.diff(ts[order], prepend=0)
    first = (np.diff(pair, prepend=-65) != 0) | (gap > _WINDOW)
    fresh = (pair * 2_654_435_761 % 4_294_967_296) % 100 < _NEW
    found = np.zeros(len(uid), dtype=np.int64)
    found[order] = first & fresh & (uid[order] >= 0)
    return found


def _key(uid: Ints, brand: Ints, ts: Ints) -> Ints:
    """Sorts by user, brand and time in one number: 32 bits of seconds, 6 of brand."""
    key: Ints = ((uid + 1) << 38) | (brand << 32) | ts
    return key


def _last(wanted: Ints, touches: Columns, brand_of_ad: Ints) -> tuple[np.ndarray, Ints, Ints]:
    keys = _key(touches["uid"], brand_of_ad[touches["ad"]], touches["ts"])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    if not len(keys):
        nothing = np.zeros(len(wanted), dtype=np.int64)
        return nothing.astype(bool), nothing, nothing
    place = np.searchsorted(keys, wanted, side="right") - 1
    at = np.maximum(place, 0)
    found = (place >= 0) & (wanted - keys[at] <= _WINDOW) & (wanted >> 32 == keys[at] >> 32)
    return found, touches["ts"][order][at], touches["ad"][order][at]
