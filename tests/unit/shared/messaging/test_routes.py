"""One handler per type, and a clear refusal for the rest."""

import pytest

from shared.domain.errors import UnknownMessageType
from shared.messaging.envelope import ReceivedMessage
from shared.messaging.messages import PollInstance
from shared.messaging.routes import Routes, handles, handles_raw
from tests.unit.shared.messaging.test_envelope import make_received

BODY = b'{"instance_id": 7}'


async def test_the_handler_of_the_type_gets_the_decoded_message() -> None:
    seen: list[PollInstance] = []

    async def poll(command: PollInstance) -> None:
        seen.append(command)

    work = Routes([handles(PollInstance, poll)]).work_for(
        make_received(type=PollInstance.TYPE, body=BODY)
    )
    await work.run()

    assert seen == [PollInstance(instance_id=7)]
    assert work.ids == {"instance_id": "7"}


async def test_a_message_without_a_type_takes_the_default() -> None:
    async def poll(command: PollInstance) -> None:
        assert command.instance_id == 7

    routes = Routes([handles(PollInstance, poll)], default_type=PollInstance.TYPE)

    await routes.work_for(make_received(type="", body=BODY)).run()


async def test_a_raw_route_takes_what_nobody_else_does() -> None:
    seen: list[bytes] = []

    async def record(received: ReceivedMessage) -> None:
        seen.append(received.body)

    await Routes([handles_raw(record)]).work_for(make_received(body=b"anything")).run()

    assert seen == [b"anything"]


def test_an_unknown_type_is_refused_by_name() -> None:
    with pytest.raises(UnknownMessageType, match=r"'a\.v1'"):
        Routes([]).work_for(make_received(type="a.v1"))


def test_two_handlers_for_one_type_are_refused_at_start() -> None:
    async def poll(command: PollInstance) -> None: ...

    with pytest.raises(ValueError, match="two routes"):
        Routes([handles(PollInstance, poll)] * 2)
