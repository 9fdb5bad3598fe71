"""Which exposure a conversion is credited to, and who is new to a brand."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.simulator.duck.traffic import DAY, ORDER, Columns, Ints

WINDOW = 14 * DAY
_NEW = 45
"""Per cent of (user, brand) pairs that had not bought in the year before the data begin."""
_SECONDS = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class _Piece:
    keys: Ints
    ads: Ints
    marks: Ints
    newest: int


@dataclass(slots=True)
class Touches:
    """Exposures to which conversions may be credited, in sorted pieces, the oldest first."""

    brand_of_ad: Ints
    _pieces: list[_Piece] = field(default_factory=list)

    def add(self, facts: Columns, marks: Ints) -> None:
        """Exposures of the days that follow those added before; `marks` names each of them."""
        known = np.flatnonzero(facts["uid"] >= 0)
        if not len(known):
            return
        ads = facts["ad"][known]
        keys = user_brand_time(facts["uid"][known], self.brand_of_ad[ads], facts["ts"][known])
        order = np.argsort(keys, kind="stable")
        newest = int(facts["ts"].max())
        self._pieces.append(
            _Piece(keys[order], ads[order].astype(np.int16), marks[known][order], newest)
        )

    def forget(self, before: int) -> None:
        """Drops what is older than a moment, in seconds since the epoch."""
        self._pieces = [piece for piece in self._pieces if piece.newest >= before]

    def last(self, wanted: Ints) -> tuple[NDArray[np.bool_], Columns]:
        """For each key the newest exposure of the same user and brand within the window."""
        best = np.full(len(wanted), -1, dtype=np.int64)
        ads, marks = np.zeros_like(best), np.zeros_like(best)
        for piece in self._pieces:
            place = np.searchsorted(piece.keys, wanted, side="right") - 1
            keys = piece.keys[np.maximum(place, 0)]
            near = (place >= 0) & (wanted - keys <= WINDOW) & (wanted >> 32 == keys >> 32)
            near &= keys >= best
            best[near] = keys[near]
            ads[near], marks[near] = piece.ads[place[near]], piece.marks[place[near]]
        return best >= 0, {"tts": best & _SECONDS, "ad": ads, "tkey": marks}


def attribute(conversions: Columns, clicks: Touches, views: Touches) -> Columns:
    """The credited conversions: last click, else last view, of the same user and brand within
    14 days. `row` is the conversion; `tts`, `ad` and `tkey` are the exposure's."""
    wanted = user_brand_time(conversions["uid"], conversions["brand"], conversions["ts"])
    by_click, click = clicks.last(wanted)
    by_view, view = views.last(wanted)
    rows = np.flatnonzero((by_click | by_view) & (conversions["uid"] >= 0))
    found = {name: np.where(by_click, click[name], view[name])[rows] for name in click}
    return {"row": rows, "is_click": by_click[rows].astype(np.int64), **found}


def new_to_brand(conversions: Columns) -> Ints:
    """1 for the first order of a user with a brand within two weeks, if no earlier customer."""
    uid, brand, ts = conversions["uid"], conversions["brand"], conversions["ts"]
    order = np.flatnonzero(conversions["subtype"] == ORDER)
    order = order[np.argsort(user_brand_time(uid, brand, ts)[order], kind="stable")]
    pair = uid[order] * 64 + brand[order]
    gap = np.diff(ts[order], prepend=0)
    first = (np.diff(pair, prepend=-65) != 0) | (gap > WINDOW)
    fresh = (pair * 2_654_435_761 % 4_294_967_296) % 100 < _NEW
    found = np.zeros(len(uid), dtype=np.int64)
    found[order] = first & fresh & (uid[order] >= 0)
    return found


def user_brand_time(uid: Ints, brand: Ints, ts: Ints) -> Ints:
    """Sorts by user, brand and time in one number: 32 bits of seconds, 6 of brand."""
    key: Ints = ((uid + 1) << 38) | (brand << 32) | ts
    return key
