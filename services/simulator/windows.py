"""Time windows: from a type, or a start and an end in some zone, to two moments.

Windows are half-open. Data count as complete 48 hours after the event and reach back 13 months.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.simulator.bodies import ExecutionBody
from services.simulator.clock import moment
from services.simulator.refusal import Refusal

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z?")
_YEARS = range(1970, 3000)
_COMPLETE_AFTER = timedelta(hours=48)
_LOOK_BACK = timedelta(days=396)


@dataclass(frozen=True, slots=True)
class Window:
    """What an execution covers; start and end are aware and in the zone that was asked for."""

    start: datetime
    end: datetime
    zone: str
    explicit: bool

    @property
    def start_utc(self) -> str:
        return f"{self.start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

    @property
    def end_utc(self) -> str:
        return f"{self.end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

    @property
    def start_original(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:%M:%S}"

    @property
    def end_original(self) -> str:
        return f"{self.end:%Y-%m-%dT%H:%M:%S}"


def resolve_window(
    body: ExecutionBody, now: float, *, trailing_z: Literal["accept", "refuse"] = "accept"
) -> Window:
    """Refusal 400 for a window AMC does not take."""
    given = (body.time_window_start or "") + (body.time_window_end or "")
    if trailing_z == "refuse" and "Z" in given:
        raise Refusal(400, "timeWindowStart must have the format yyyy-MM-dd'T'HH:mm:ss.")
    latest = _latest(body, now)
    zone_name = body.time_window_time_zone or "UTC"
    zone = parse_zone(zone_name)
    if body.time_window_type == "EXPLICIT":
        start = parse_time(body.time_window_start, "timeWindowStart", zone)
        end = parse_time(body.time_window_end, "timeWindowEnd", zone)
        if start >= end:
            raise Refusal(400, "timeWindowStart must be before timeWindowEnd.")
        return Window(start, end, zone_name, explicit=True)
    if body.time_window_start or body.time_window_end:
        raise Refusal(
            400, "timeWindowStart and timeWindowEnd are only valid with timeWindowType EXPLICIT."
        )
    start, end = _named(body.time_window_type, latest.astimezone(zone))
    return Window(start, end, zone_name, explicit=False)


def _latest(body: ExecutionBody, now: float) -> datetime:
    """Until when data count as complete: 48 hours ago, or maxCertifiedTime if that is before."""
    utc = ZoneInfo("UTC")
    latest = moment(now) - _COMPLETE_AFTER
    if body.max_dimension_time is not None:
        parse_time(body.max_dimension_time, "maxDimensionTime", utc)
    if body.max_certified_time is None:
        return latest
    return min(latest, parse_time(body.max_certified_time, "maxCertifiedTime", utc))


def parse_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refusal(400, f"Invalid time zone: {name}") from None


def parse_time(text: str | None, member: str, zone: ZoneInfo) -> datetime:
    """The moment of `yyyy-MM-dd'T'HH:mm:ss`, a trailing Z ignored; Refusal 400 otherwise."""
    if text is None or not _FORM.fullmatch(text):
        raise Refusal(400, f"{member} must have the format yyyy-MM-dd'T'HH:mm:ss.")
    try:
        parsed = datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=zone)
    except ValueError:
        raise Refusal(400, f"{member} is not a date: {text}") from None
    if parsed.year not in _YEARS:
        raise Refusal(400, f"{member} is out of range: {text}")
    return parsed


def _named(kind: str, latest: datetime) -> tuple[datetime, datetime]:
    complete = latest.replace(hour=0, minute=0, second=0, microsecond=0)
    month = complete.replace(day=1)
    match kind:
        case "MOST_RECENT_WEEK":
            return complete - timedelta(days=7), complete
        case "CURRENT_MONTH":
            # On the first complete day of a month nothing of it is complete yet.
            return min(month, complete - timedelta(days=1)), complete
        case "PREVIOUS_MONTH":
            return (month - timedelta(days=1)).replace(day=1), month
        case "ALL":
            return complete - _LOOK_BACK, complete
        case _:
            return complete - timedelta(days=1), complete
