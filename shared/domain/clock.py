"""What time it is, asked in one place: the database's time, as this process was told it.

Stored times, leases and timers are made by the database itself. What a process has to compare with
them (the life of a token, the day a default window ends, the time in an id) must not depend on its
machine's clock, which may be wrong by hours. So each new connection tells the database's time, and
from then on only the monotonic clock counts. Before the first connection it is the machine's.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_NEAR_ENOUGH: Final = 0.5
"""Seconds. An answer that took longer (a frozen process, a slow network) tells too little."""


@dataclass(slots=True)
class _Told:
    """The last moment that is known, and how this machine's clock is said to be wrong."""

    unix_seconds: float = 0.0
    at_monotonic: float | None = None
    wrong_by: float = 0.0


_told: Final = _Told()


def utc_now() -> datetime:
    """Aware, in UTC."""
    return datetime.fromtimestamp(unix_seconds(), UTC)


def unix_seconds() -> float:
    """The same in seconds since 1970."""
    if _told.at_monotonic is None:
        return time.time() + _told.wrong_by
    return _told.unix_seconds + time.monotonic() - _told.at_monotonic


def agree(moment: datetime, *, asked_at: float) -> None:
    """The database said `moment` to a question put at `asked_at` (monotonic seconds)."""
    answered_at = time.monotonic()
    uncertain = (answered_at - asked_at) / 2
    if uncertain < _NEAR_ENOUGH or _told.at_monotonic is None:
        _told.unix_seconds = moment.timestamp() + uncertain
        _told.at_monotonic = answered_at


def forget() -> None:
    """As before the first connection."""
    _told.at_monotonic = None


def make_wrong(*, by_seconds: float) -> None:
    """Make this machine's clock wrong, for tests of what a wrong clock changes."""
    _told.wrong_by = by_seconds
