"""A client that freezes or dies with an account's gate in its hand holds the others up briefly."""

import asyncio
import time

from shared.db.acceptance import Acceptance
from shared.db.control import Control
from tests.integration.builders import accept, finish, in_state, make_request, start, state_of
from tests.integration.faults.conftest import Other, Town

FROZEN_BOUND = 4.5
"""Seconds: the server drops a client that is idle in a transaction after 3."""
DEAD_BOUND = 1.5
"""Its connection ends with it."""


async def holding(town: Town, other: Other) -> None:
    other.order(town.order("hold_the_gate") | {"account": town.bench.instance.account})
    assert await other.line() == "holding"


async def everybody_goes_on(town: Town) -> float:
    """Seconds until an admission, an end and a cancellation of that account are through."""
    database, instance, workflow = town.bench.database, town.bench.instance, town.bench.workflow
    started = time.monotonic()
    running, _, cancelled = await accept(
        database, *(make_request(instance, workflow) for _ in range(3))
    )
    await asyncio.gather(
        Acceptance(database).admit([instance.key]),
        Control(database).request_cancel(cancelled, by="anna"),
    )
    await start(database, running)
    await finish(database, running)
    assert await state_of(database, running) == "downloading"
    assert await state_of(database, cancelled) == "cancelled"
    assert await in_state(database, "queued") == 0
    return time.monotonic() - started


async def test_a_frozen_holder_is_dropped(town: Town, mortal: Other) -> None:
    await holding(town, mortal)
    mortal.freeze()
    await mortal.is_frozen()

    assert await everybody_goes_on(town) < FROZEN_BOUND


async def test_a_dead_holder_is_gone_at_once(town: Town, mortal: Other) -> None:
    await holding(town, mortal)
    mortal.kill()

    assert await everybody_goes_on(town) < DEAD_BOUND


async def test_two_that_freeze_one_after_the_other_hold_no_longer_than_both(
    town: Town, mortal: Other, lasting: Other
) -> None:
    await holding(town, mortal)
    lasting.order(town.order("hold_the_gate") | {"account": town.bench.instance.account})
    mortal.freeze()
    assert await lasting.line() == "holding"
    lasting.freeze()

    assert await everybody_goes_on(town) < FROZEN_BOUND
