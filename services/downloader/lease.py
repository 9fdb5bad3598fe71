"""Keeps a lease alive while the work under it goes on, and stops the work when it is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, TypeVar

from services.downloader.groups import first_of
from shared.domain.errors import StaleTransition, TransientError

T = TypeVar("T")

RENEWALS_PER_LIFE: Final = 3


@asynccontextmanager
async def kept(
    renew: Callable[[T], Awaitable[None]],
    claim: T,
    *,
    life: timedelta,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[None]:
    """Renew every third of its life; StaleTransition, into the body too, when it is lost.

    A renewal that could not be made is tried again until the lease has surely run out.
    """
    try:
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(_renew_for_ever(renew, claim, life, sleep))
            yield
            keeper.cancel()
    except BaseExceptionGroup as errors:
        raise first_of(errors) from None


async def _renew_for_ever(
    renew: Callable[[T], Awaitable[None]],
    claim: T,
    life: timedelta,
    sleep: Callable[[float], Awaitable[object]],
) -> None:
    missed = 0
    while missed < RENEWALS_PER_LIFE:
        await sleep(life.total_seconds() / RENEWALS_PER_LIFE)
        try:
            await renew(claim)
            missed = 0
        except TransientError:
            missed += 1
    raise StaleTransition("The lease ran out while the database was away.")
