"""Keeps a consumer's session open through every failure, and closed to work while there is no
database to record it in.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from shared.domain.errors import AmcflowError, BrokerUnavailable
from shared.messaging.options import ConsumerOptions
from shared.messaging.session import Session
from shared.messaging.topology import Queue
from shared.observability.logs import get_logger
from shared.observability.metrics import CONSUMER_UP

log = get_logger()

_FIRST_BACKOFF: Final = 0.2
_LONGEST_BACKOFF: Final = 5.0
_HEALTH_SECONDS: Final = 5.0

Health = Callable[[], Awaitable[bool]]


class SessionKeeper:
    """Hands the live session to the lanes, and calls them off when there is none to use."""

    def __init__(
        self,
        amqp_url: str,
        queues: Sequence[Queue],
        options: ConsumerOptions,
        *,
        healthy: Health,
    ) -> None:
        self._amqp_url = amqp_url
        self._queues = [queue.name for queue in queues]
        self._options = options
        self._healthy = healthy
        self._session: Session | None = None
        self._stopping = False
        self._failures = 0
        self._news = asyncio.Event()
        self._lost = asyncio.Event()
        self._unhealthy = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether messages would be received now."""
        session = self._session
        return session is not None and session.is_live and not self._unhealthy.is_set()

    async def session(self) -> Session | None:
        """The session to consume on, waiting for one; None once stopping."""
        while not self._stopping:
            if self._session is not None and self.is_open:
                return self._session
            self._news.clear()
            await self._news.wait()
        return None

    def pause(self) -> None:
        """No more messages until the database answers again."""
        self._unhealthy.set()
        self._rouse()

    def stop(self) -> None:
        """No more messages at all; those in hand can still be answered until `close`."""
        self._stopping = True
        self._rouse()

    async def close(self) -> None:
        """End the session; what was not answered goes back to its queue."""
        if self._session is not None:
            await self._session.close()
        self._report(up=False)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_open())
            group.create_task(self._keep_healthy())

    async def _keep_open(self) -> None:
        while True:
            self._lost.clear()
            try:
                session = await self._open()
            except BrokerUnavailable as error:
                reason = error.message
            else:
                reason = await self._until_lost(session)
            await self._wait_to_reopen(reason)

    async def _open(self) -> Session:
        self._session = await Session.open(
            self._amqp_url,
            name=self._options.name,
            heartbeat=self._options.heartbeat_seconds,
            on_lost=self._lost.set,
        )
        self._report(up=True)
        self._news.set()
        return self._session

    async def _until_lost(self, session: Session) -> str:
        opened = time.monotonic()
        while session.is_live:
            try:
                async with asyncio.timeout(self._options.probe_seconds):
                    await self._lost.wait()
            except TimeoutError:
                await session.probe(within=self._options.probe_seconds)
        self._report(up=False)
        if time.monotonic() - opened > _LONGEST_BACKOFF:
            self._failures = 0
        await session.close()
        return session.lost_reason or ""

    async def _wait_to_reopen(self, reason: str) -> None:
        self._failures += 1
        wait = _jittered(self._failures)
        log.warning(
            "consuming_interrupted",
            queues=self._queues,
            reason=reason,
            next_attempt_seconds=round(wait, 2),
        )
        await asyncio.sleep(wait)

    async def _keep_healthy(self) -> None:
        while True:
            await self._unhealthy.wait()
            log.warning("consuming_paused", queues=self._queues)
            failures = 1
            await asyncio.sleep(_jittered(failures))
            while not await self._is_healthy():
                failures += 1
                await asyncio.sleep(_jittered(failures))
            self._unhealthy.clear()
            self._news.set()
            log.info("consuming_resumed", queues=self._queues)

    async def _is_healthy(self) -> bool:
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                return await self._healthy()
        except (AmcflowError, TimeoutError):
            return False

    def _rouse(self) -> None:
        """Make every idle lane look at what has changed."""
        self._news.set()
        if self._session is not None:
            self._session.end_subscriptions()

    def _report(self, *, up: bool) -> None:
        for queue in self._queues:
            CONSUMER_UP.labels(queue).set(int(up))


def _jittered(failures: int) -> float:
    longest: float = min(_FIRST_BACKOFF * 2.0 ** min(failures - 1, 10), _LONGEST_BACKOFF)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
