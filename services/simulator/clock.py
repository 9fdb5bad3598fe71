"""The simulator's one timeline: seconds since the epoch that never step back.

Everything that has a time takes a Clock, so that unit tests move it by hand.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Seconds since the epoch; never smaller than the answer before."""


class SystemClock:
    """Wall time at start plus monotonic time since, so that a clock step moves no limit."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()


def moment(seconds: float) -> datetime:
    """The aware UTC datetime of a clock reading."""
    return datetime.fromtimestamp(seconds, UTC)


def iso_seconds(seconds: float) -> str:
    """`2026-01-31T23:59:59Z`, as AMC writes most of its times."""
    return moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_millis(seconds: float) -> str:
    """`2026-01-31T23:59:59.123Z`, as AMC writes validatedTime."""
    when = moment(seconds)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"
