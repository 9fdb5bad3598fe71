"""The last requests as they came, without tokens, bodies or signatures."""

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from typing_extensions import TypedDict

_NAMED = (
    r"(?:client_secret|refresh_token|access_token|code|code_verifier|X-Amz-[a-z-]+)(?:=|%(?:25)*3D)"
)
_SECRET = re.compile(
    rf"(?:Atz[ar](?:\||%(?:25)*7C)|SIM[0-9a-f]{{20}}|{_NAMED})[^/]*", re.IGNORECASE
)
"""What looks like a token or a code, and what is called one, however often it is encoded."""


class Entry(TypedDict):
    """One request; `status` is 0 when the connection was cut instead of an answer."""

    seq: int
    method: str
    path: str
    status: int
    instance_id: str | None
    arrived_at: float
    request_id: str
    fault: str | None


@dataclass(slots=True)
class Journal:
    """A ring of entries, numbered from 1 in the order in which they were answered."""

    size: int
    _entries: deque[Entry] = field(init=False)
    _last: int = 0

    def __post_init__(self) -> None:
        self._entries = deque(maxlen=self.size)

    def next_seq(self) -> int:
        self._last += 1
        return self._last

    def add(self, entry: Entry) -> None:
        """Remembers a request, without what looks like a token or a code in its path."""
        entry["path"] = _SECRET.sub("(masked)", entry["path"])
        self._entries.append(entry)

    def restore(self, entries: Iterable[Entry], last: int) -> None:
        """Takes in what an earlier process remembered, and goes on after its last number."""
        self._entries.extend(entries)
        self._last = max(self._last, last)

    @property
    def last(self) -> int:
        return self._last

    def newest(self, limit: int) -> Iterator[Entry]:
        return islice(reversed(self._entries), limit)

    def after(self, seq: int, limit: int) -> list[Entry]:
        """Up to `limit` remembered entries with a higher number, oldest first."""
        first = bisect_right(self._entries, seq, key=lambda entry: entry["seq"])
        return list(islice(self._entries, first, first + limit))
