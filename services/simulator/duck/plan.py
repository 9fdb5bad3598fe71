"""What a data file holds: an instance's invented users and traffic over a span of whole days.

Equal plans give equal data; the name of the file is a hash of the plan and of what makes it. A day
that two files both hold has the same rows in both.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta

VERSION = 2
"""Goes up whenever the generator writes something else for the same plan."""
_EPOCH = date(1970, 1, 1)
DAYS_BEFORE, DAYS_AFTER = 28, 14
"""Written around a plan's own days: as far EXTEND_TIME_WINDOW may reach, and as late a conversion
may follow its exposure."""


@dataclass(frozen=True, slots=True)
class DataPlan:
    """One data set. Days are counted from 1970-01-01 in UTC; `last_day` is included."""

    seed: int
    instance_id: str
    users: int
    first_day: int
    last_day: int
    marketplace_id: str = ""
    """Amazon's, of the instance's account: decides country, currency and zone. Empty: invented."""
    advertisers: tuple[str, str] = ("4200000001000", "ENTITY4200000001")
    """Ids of those who own the display ads and the sponsored ads."""

    @property
    def file_name(self) -> str:
        facts = json.dumps({"version": VERSION, **asdict(self)}, sort_keys=True)
        return f"amc-{hashlib.sha256(facts.encode()).hexdigest()[:24]}.duckdb"

    @property
    def written(self) -> range:
        """The days whose rows are in the file."""
        return range(self.first_day - DAYS_BEFORE, self.last_day + DAYS_AFTER + 1)

    def covering(self, start: datetime, end: datetime) -> "DataPlan":
        """For the whole months around a window in UTC, so that near windows share a file."""
        first = start.date().replace(day=1)
        last = (end - timedelta(microseconds=1)).date()
        following = (last.replace(day=28) + timedelta(days=4)).replace(day=1)
        return replace(
            self, first_day=(first - _EPOCH).days, last_day=(following - _EPOCH).days - 1
        )
