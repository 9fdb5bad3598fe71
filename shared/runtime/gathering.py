"""Does at once what many ask for at the same time: one step for all who came during the last one.

Who comes to an idle process is served alone and at once; under load steps grow, so that a round
trip, a plan and a commit are shared by many; where nothing is in a hurry they may also linger for
a few milliseconds. Each asker is answered only when its step is done.

A step that fails for one may not spoil it for its neighbours: it is repeated for each of them
alone, for which a failed step must have done nothing. Where that is not known (the database is
away), all are told.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.domain.errors import TransientError

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Gathering(Generic[Asked, Answer]):
    """Askers in line, and the step that serves them; `run` must run for anybody to be served."""

    step: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]]
    """Gives the answers in the order of what was asked."""
    most: int = 100
    """Askers in one step, so that none waits for the work of too many others."""
    linger: float = 0.0
    """Seconds for which a step waits for more when it, or the one before, has several. Work that
    comes one by one is never kept."""
    enough: int = 16
    """Askers for whom a step waits no longer: by then its fixed costs are small."""
    _line: deque[tuple[Asked, asyncio.Future[Answer]]] = field(default_factory=deque)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _last: int = 0
    _full: asyncio.Future[None] | None = None

    async def ask(self, asked: Asked) -> Answer:
        """The answer, or the error of the step that this was part of."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._line.append((asked, answer))
        self._woken.set()
        if self._full is not None and len(self._line) >= self.enough and not self._full.done():
            self._full.set_result(None)
        return await answer

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then whoever is still in line is served."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                woken = asyncio.ensure_future(self._woken.wait())
                await asyncio.wait({woken, stopping}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                self._woken.clear()
                await self._serve_line()
        finally:
            stopping.cancel()

    async def _serve_line(self) -> None:
        while self._line:
            await self._wait_for_company()
            taken = [self._line.popleft() for _ in range(min(len(self._line), self.most))]
            self._last = len(taken)
            # Who has gone meanwhile (its client hung up) wants nothing any more.
            await self._serve([each for each in taken if not each[1].done()])

    async def _wait_for_company(self) -> None:
        if not self.linger or max(self._last, len(self._line)) < 2:  # noqa: PLR2004 - alone
            return
        if len(self._line) >= self.enough:
            return
        self._full = asyncio.get_running_loop().create_future()
        await asyncio.wait({self._full}, timeout=self.linger)
        self._full = None

    async def _serve(self, taken: Sequence[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        if not taken:
            return
        # A task, so that an error of any kind reaches the askers and not this loop.
        (stepping,), _ = await asyncio.wait(
            {asyncio.ensure_future(self._stepped([asked for asked, _ in taken]))}
        )
        error = stepping.exception()
        if error is None:
            for (_, answer), found in zip(taken, stepping.result(), strict=True):
                _settle(answer, found)
        elif len(taken) == 1 or isinstance(error, TransientError):
            for _, answer in taken:
                _fail(answer, error)
        else:
            for each in taken:
                await self._serve([each])

    async def _stepped(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        return await self.step(asked)


def _settle(answer: asyncio.Future[Answer], found: Answer) -> None:
    if not answer.done():
        answer.set_result(found)


def _fail(answer: asyncio.Future[Answer], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
