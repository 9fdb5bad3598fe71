"""Figures are read once for all who ask within five seconds."""

import asyncio
from dataclasses import dataclass

from services.api.figures import CachedFigures
from shared.db.stats import Figures

FIGURES = Figures({}, {}, (), 0, 0, 0, 0.0, None, None)


@dataclass
class Source:
    reads: int = 0

    async def figures(self) -> Figures:
        self.reads += 1
        await asyncio.sleep(0)
        return FIGURES


async def test_who_asks_together_waits_for_one_reading():
    source = Source()
    cached = CachedFigures(source)

    await asyncio.gather(*(cached.now() for _ in range(10)))

    assert source.reads == 1


async def test_after_their_time_they_are_read_again():
    source, now = Source(), [0.0]
    cached = CachedFigures(source, clock=lambda: now[0])

    for now[0] in (0.0, 4.9, 5.1, 10.0, 10.3):
        await cached.now()

    assert source.reads == 3
