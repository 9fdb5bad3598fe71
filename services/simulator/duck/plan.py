"""What a data file holds: an instance's invented users and traffic over a span of whole days.

Equal plans give equal data; the name of the file is a hash of the plan and of what makes it.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta

VERSION = 1
"""Goes up whenever the generator writes something else for the same plan."""
_EPOCH = date(1970, 1, 1)
LEAD_DAYS = 28
"""Generated before the first day: attribution looks back 14 days, EXTEND_TIME_WINDOW as many."""


@dataclass(frozen=True, slots=True)
class DataPlan:
    """One data set. Days are counted from 1970-01-01 in UTC; `last_day` is included."""

    seed: int
    instance_id: str
    users: int
    first_day: int
    last_day: int

    @property
    def file_name(self) -> str:
        facts = json.dumps({"version": VERSION, **asdict(self)}, sort_keys=True)
        return f"amc-{hashlib.sha256(facts.encode()).hexdigest()[:24]}.duckdb"

    def covering(self, start: datetime, end: datetime) -> "DataPlan":
        """For the whole months around a window in UTC, so that near windows share a file."""
        first = start.date().replace(day=1)
        last = (end - timedelta(microseconds=1)).date()
        following = (last.replace(day=28) + timedelta(days=4)).replace(day=1)
        return replace(
            self, first_day=(first - _EPOCH).days, last_day=(following - _EPOCH).days - 1
        )
