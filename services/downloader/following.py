"""Lets a load begin while its parts still arrive, when it will hardly have to wait for them.

A load that waits holds a snapshot, and with it the vacuum of the whole database. So it begins only
once the rest, at the pace seen so far, will be there before the fastest COPY could be through,
and it gives up when it has waited `PATIENCE` in all. Everything still goes through the spool: what
gave up, or stumbled over anything, is loaded again from there when the parts are whole.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from services.downloader.groups import first_of
from services.downloader.part import SpooledPart
from shared.db.results.order import LoadedResult, NotWhole, Part
from shared.domain.errors import AmcflowError, ConflictError
from shared.observability.logs import get_logger

log = get_logger()

PATIENCE: Final = 2.0
"""Seconds that one load waits for bytes, all waits together."""
_FASTEST_COPY: Final = 100_000_000
"""Bytes a second that no COPY of ours exceeds by much."""

Load = Callable[
    [Sequence[Part], int, Callable[[], Awaitable[None]]], Coroutine[None, None, LoadedResult]
]
"""Of parts, with the bytes they are announced to have; waits for the last before it commits."""


@asynccontextmanager
async def followed_by(load: Load, *, patience: float = PATIENCE) -> AsyncIterator["Following"]:
    """What arrives meanwhile may be loaded by `load`; afterwards nothing of that goes on."""
    try:
        async with asyncio.TaskGroup() as group:
            following = Following(load, group, patience)
            yield following
            await following.give_up()
    except BaseExceptionGroup as errors:
        raise first_of(errors) from None


@dataclass(slots=True)
class Following:
    """The load of one result that may begin early; there is at most one.

    That the claim is lost, or a bug, ends the fetching, too; of any other error the load that is
    made when all is there will tell.
    """

    load: Load
    group: asyncio.TaskGroup
    patience: float
    _task: asyncio.Task[LoadedResult | None] | None = field(default=None, init=False)
    _may_stay: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def look(self, parts: Sequence[SpooledPart]) -> None:
        """Called whenever something has arrived: begin if the rest will not be waited for."""
        if self._task is None and keeps_up(parts, time.monotonic()):
            self._task = self.group.create_task(self._load(parts))

    async def loaded(self) -> LoadedResult | None:
        """All has arrived and may stay: wait for the load; None if it is still to be done."""
        self._may_stay.set()
        return None if self._task is None else await self._task

    async def give_up(self) -> None:
        """Leave nothing of the load, unless it is done."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _load(self, parts: Sequence[SpooledPart]) -> LoadedResult | None:
        announced, left = sum(part.announced or 0 for part in parts), _Left(self.patience)
        try:
            return await self.load(
                [_Followed(part, left) for part in parts], announced, self._judged
            )
        except ConflictError:
            raise
        except (NotWhole, AmcflowError) as error:
            log.info("load_begins_again", reason=str(error))
            return None

    async def _judged(self) -> None:
        await self._may_stay.wait()


@dataclass(slots=True)
class _Left:
    """Seconds of patience that all parts of a result share."""

    seconds: float


@dataclass(frozen=True, slots=True)
class _Followed:
    """A part whose reader does not wait for ever."""

    part: SpooledPart
    left: _Left

    @property
    def size(self) -> int:
        return self.part.size

    @property
    def sha256(self) -> bytes:
        return self.part.sha256

    @property
    def is_whole(self) -> bool:
        return self.part.is_whole

    def open(self) -> BinaryIO:
        return self.part.open()

    async def more_than(self, size: int) -> None:
        since = time.monotonic()
        try:
            async with asyncio.timeout(max(self.left.seconds, 0.0)):
                await self.part.more_than(size)
        except TimeoutError:
            raise NotWhole("The source became slow.") from None
        finally:
            self.left.seconds -= time.monotonic() - since


def keeps_up(parts: Sequence[SpooledPart], now: float) -> bool:
    """Whether the rest will be there before a COPY of them all could be through."""
    announced, there, seconds = 0, 0, now - min(part.since for part in parts)
    for part in parts:
        if part.announced is None or not (part.is_on_disk or part.is_whole):
            return False
        announced += part.announced
        there += part.size
    # More than was announced: it came packed, and nobody knows how much is still to come.
    if there > announced or all(part.is_whole for part in parts):
        return False
    return (announced - there) * seconds * _FASTEST_COPY <= announced * there
