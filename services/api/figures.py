"""The system's figures, read at most once in five seconds whoever asks."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from shared.db.stats import Figures


class Source(Protocol):
    """Where figures come from."""

    async def figures(self) -> Figures: ...


@dataclass(slots=True)
class CachedFigures:
    """Figures no older than `ttl_seconds`; those who ask together wait for one reading."""

    source: Source
    ttl_seconds: float = 5.0
    clock: Callable[[], float] = time.monotonic
    _read_at: float = float("-inf")
    _figures: Figures | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def now(self) -> Figures:
        """DatabaseUnavailable where they cannot be read."""
        async with self._reading:
            if self._figures is None or self.clock() - self._read_at > self.ttl_seconds:
                self._figures = await self.source.figures()
                self._read_at = self.clock()
            return self._figures
