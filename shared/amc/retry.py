"""Repeats calls that are safe to repeat, within the lease of whoever asked."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from shared.domain.errors import AmcUnavailable, PermitExpired

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Repeat:
    """How often and how patiently; clock and sleep are passed in by tests."""

    attempts: int = 3
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 8.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self, attempt: Callable[[], Awaitable[T]], *, give_up_at: float) -> T:
        """The first success; the last error once the attempts, or the lease, would run out.

        Repeats AmcUnavailable after an exponential wait with full jitter, and PermitExpired at
        once: the next attempt takes a permit of its own, and that is wait enough.
        """
        jitter = wait_random_exponential(
            multiplier=self.first_wait_seconds, max=self.longest_wait_seconds
        )
        enough = stop_after_attempt(self.attempts)
        retrying = AsyncRetrying(
            sleep=self.sleep,
            wait=lambda state: 0.0 if _permit_expired(state) else jitter(state),
            stop=lambda state: enough(state) or self._too_late(state, give_up_at),
            retry=retry_if_exception_type((AmcUnavailable, PermitExpired)),
            reraise=True,
        )
        return await retrying(attempt)

    def _too_late(self, state: RetryCallState, give_up_at: float) -> bool:
        return self.clock() + state.upcoming_sleep >= give_up_at


def _permit_expired(state: RetryCallState) -> bool:
    return state.outcome is not None and isinstance(state.outcome.exception(), PermitExpired)
