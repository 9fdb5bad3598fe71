"""A connection: what it has to do with a permit, how long it is kept, and who uses it again."""

import itertools
from datetime import timedelta

import pytest

from shared.amc.permits import Permit
from shared.domain.errors import AmcUnavailable, PermitExpired
from shared.http.client import amc_client
from tests.integration.amc.rig import QUICK, Rig, rig
from tests.integration.amc.wire import ClosesKeptConnections, answer_all, serving


def test_a_permit_that_expires_while_connecting_sends_nothing_and_keeps_the_connection(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            ticks = iter([0.0, 0.0, 1.0])
            permit = Permit(0.0, 0.05, clock=lambda: next(ticks))

            with pytest.raises(PermitExpired):
                await amc.create(permit=permit)
            assert wire.requests == []
            await amc.create()

            assert (wire.connections, len(wire.requests)) == (1, 1)

    run(scenario)


def test_who_was_held_up_by_connecting_books_another_turn_for_the_connection(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            ticks = itertools.chain([0.0, 0.0, 0.0], itertools.repeat(0.1))

            async def again() -> Permit:
                return Permit(0.1, 0.15)

            await amc.create(permit=Permit(0.0, 0.05, clock=lambda: next(ticks), again=again))

            assert (wire.connections, len(wire.requests)) == (1, 1)

    run(scenario)


def test_a_permit_that_expires_on_a_kept_connection_sends_nothing_and_keeps_it(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            await amc.create()
            ticks = iter([0.0, 0.0, 1.0])

            with pytest.raises(PermitExpired):
                await amc.create(permit=Permit(0.0, 0.05, clock=lambda: next(ticks)))
            await amc.create()

            assert (wire.connections, len(wire.requests)) == (1, 2)

    run(scenario)


def test_a_warm_up_connects_and_sends_nothing(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire, rig(wire.base_url) as amc:
            await amc.client.warm_up(amc.target)
            await amc.client.warm_up(amc.target)
            assert wire.requests == []
            await amc.create()
            await amc.get()

            assert (wire.connections, len(wire.requests)) == (1, 2)
            assert len(amc.log.records) == 2

    run(scenario)


def test_a_warm_up_of_nobody_is_unavailable(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire:
            gone = wire.base_url
        async with rig(gone) as amc:
            with pytest.raises(AmcUnavailable):
                await amc.client.warm_up(amc.target)
            with pytest.raises(AmcUnavailable):
                await amc.get()

            assert amc.permits.taken == 0

    run(scenario)


@pytest.mark.parametrize("call", [Rig.get, Rig.cancel])
def test_no_call_is_repeated_without_a_permit_of_its_own(call, run) -> None:
    async def scenario() -> None:
        handler = ClosesKeptConnections()
        async with serving(handler) as wire, rig(wire.base_url) as amc:
            await call(amc)
            await call(amc)

            assert handler.seen[0] != b""
            assert wire.connections == 2
            assert amc.permits.taken == len(amc.log.records) == 3
            assert [record.error_code for record in amc.log.records] == [
                None,
                "amc_unavailable",
                None,
            ]

    run(scenario)


def test_a_connection_idle_for_too_long_is_not_used_again(run) -> None:
    async def scenario() -> None:
        async with (
            serving(answer_all) as wire,
            amc_client(QUICK, keepalive_expiry=timedelta(0)) as http,
        ):
            await http.get(wire.base_url)
            await http.get(wire.base_url)

            assert wire.connections == 2

    run(scenario)


def test_a_closed_client_sends_nothing(run) -> None:
    async def scenario() -> None:
        async with serving(answer_all) as wire:
            http = amc_client(QUICK)
            await http.get(wire.base_url)
            await http.aclose()

            with pytest.raises(RuntimeError, match="closed"):
                await http.get(wire.base_url)
            assert len(wire.requests) == 1

    run(scenario)
