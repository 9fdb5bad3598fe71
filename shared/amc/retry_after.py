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

    `headers` must find names in any case, as httpx's do."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        # More digits than this are longer than the longest wait anyway.
        seconds = int(text) if len(text) <= _MAX_DIGITS else 10**_MAX_DIGITS
        return _clamped(timedelta(seconds=seconds))
    return _until(text, now) if text else None


def _until(text: str, now: datetime) -> timedelta | None:
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _clamped(moment - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _clamped(wait: timedelta) -> timedelta:
    return min(max(wait, SHORTEST), LONGEST)
