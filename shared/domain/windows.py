"""The period of data an execution looks at, as AMC wants it: naive local times beside a zone.

AMC refuses dates without a time, and a trailing `Z` has been seen to give empty results, so times
with an offset are brought into the window's zone and leave it behind. Only EXPLICIT windows carry
times; the other types are worked out by AMC when it runs the query.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from shared.domain.errors import FieldProblem, InvalidRequest


class WindowType(StrEnum):
    """AMC's whole list."""

    ALL = "ALL"
    CURRENT_MONTH = "CURRENT_MONTH"
    EXPLICIT = "EXPLICIT"
    MOST_RECENT_DAY = "MOST_RECENT_DAY"
    MOST_RECENT_WEEK = "MOST_RECENT_WEEK"
    PREVIOUS_MONTH = "PREVIOUS_MONTH"


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A checked window: `start` and `end` are naive, in `time_zone`, and there iff EXPLICIT."""

    type: WindowType
    start: datetime | None
    end: datetime | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class DefaultWindow:
    """What an execution gets that names no window: whole days, ending some days ago.

    The lag is there because AMC's data are complete only about two weeks after the event.
    """

    days: int = 7
    lag_days: int = 14
    time_zone: str = "UTC"

    def at(self, now: datetime, time_zone: str | None = None) -> TimeWindow:
        """The window for a request accepted at `now`, midnight to midnight in the zone."""
        zone = time_zone or self.time_zone
        today = now.astimezone(ZoneInfo(zone)).replace(
            hour=0, minute=0, second=0, microsecond=0, tzinfo=None
        )
        end = today - timedelta(days=self.lag_days)
        return TimeWindow(WindowType.EXPLICIT, end - timedelta(days=self.days), end, zone)


# The basic form of ISO 8601, week dates and bare dates are all refused by AMC.
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.0{1,6})?)?(Z|[+-]\d{2}:?\d{2})?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class AskedWindow:
    """A window as a user wrote it; anything may be missing or wrong."""

    type: str | None = None
    start: str | None = None
    end: str | None = None
    time_zone: str | None = None

    def resolve(self, *, default: DefaultWindow, now: datetime) -> TimeWindow:
        """The checked window; InvalidRequest names every field that is wrong, below no prefix."""
        zone = self._zone(default)
        kind = self._type()
        if kind is None and self.start is None and self.end is None:
            return default.at(now, zone)
        if kind not in {None, WindowType.EXPLICIT}:
            self._refuse_times()
            return TimeWindow(WindowType(kind), None, None, zone)
        start, end = _moment("start", self.start, zone), _moment("end", self.end, zone)
        if start >= end:
            raise _wrong("end", f"must be after start; {end.isoformat()} is not")
        return TimeWindow(WindowType.EXPLICIT, start, end, zone)

    def _zone(self, default: DefaultWindow) -> str:
        if self.time_zone is None:
            return default.time_zone
        if self.time_zone not in known_zones():
            raise _wrong("time_zone", "is not a zone of the tz database, such as Europe/Berlin")
        return self.time_zone

    def _type(self) -> WindowType | None:
        if self.type is None:
            return None
        try:
            return WindowType(self.type)
        except ValueError:
            raise _wrong("type", f"must be one of {', '.join(WindowType)}") from None

    def _refuse_times(self) -> None:
        for field in ("start", "end"):
            if getattr(self, field) is not None:
                raise _wrong(field, "may only be given with type EXPLICIT")


@cache
def known_zones() -> frozenset[str]:
    """Every zone name this machine's tz database, or the tzdata package, knows."""
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}


def _moment(field: str, text: str | None, zone: str) -> datetime:
    if text is None:
        raise _wrong(field, "is needed: an EXPLICIT window has both start and end")
    if not _MOMENT.fullmatch(text):
        raise _wrong(field, "must look like 2025-07-01T00:00:00, whole seconds, with the time")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(ZoneInfo(zone))
    except (ValueError, OverflowError):
        raise _wrong(field, "is not a moment that exists") from None
    return moment.replace(tzinfo=None)


def _wrong(field: str, msg: str) -> InvalidRequest:
    return InvalidRequest(
        f"The time window's {field} {msg}.", problems=(FieldProblem((field,), msg),)
    )
