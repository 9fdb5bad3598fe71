"""Reads a Retry-After header (RFC 9110, 10.2.3): seconds or a date, kept within sane bounds."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

SHORTEST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(minutes=15)
_MAX_DIGITS: Final = 9


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Between one second and 15 minutes; None if absent or not to be understood.

    A date is taken against the answer's own `Date`, by the clock that made both; only without one
    against `now`. `headers` must find names in any case, as httpx's do."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        # More digits than this are longer than the longest wait anyway.
        seconds = int(text) if len(text) <= _MAX_DIGITS else 10**_MAX_DIGITS
        return _clamped(timedelta(seconds=seconds))
    moment = _moment(text)
    return None if moment is None else _clamped(moment - (_moment(headers.get("date", "")) or now))


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        # To UTC here: at the ends of the calendar even that can fail.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _clamped(wait: timedelta) -> timedelta:
    return min(max(wait, SHORTEST), LONGEST)
