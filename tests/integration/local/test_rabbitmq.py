"""A private RabbitMQ, of the machine's version and of version 4: its data survive every end."""

from collections.abc import Iterator
from pathlib import Path

import aio_pika
import psutil
import pytest

from deploy.local.backends import FOR_TESTS, choose_rabbitmq, private_rabbitmq4
from deploy.local.problems import NamespacesRefusedError
from deploy.local.processes import servers_in
from deploy.local.profiles import FAST
from deploy.local.rabbitmq import RabbitmqNode
from deploy.local.scratch import scratch_folder


def _machines_own(folder: Path) -> RabbitmqNode:
    node = choose_rabbitmq(FOR_TESTS, {"AMCFLOW_RABBITMQ": "system"}).open(folder, FAST)
    assert isinstance(node, RabbitmqNode)
    return node


def _four(folder: Path) -> RabbitmqNode:
    return private_rabbitmq4(folder, FAST)


@pytest.fixture(params=[_machines_own, _four], ids=["machine", "four"])
def node(request: pytest.FixtureRequest) -> Iterator[RabbitmqNode]:
    with scratch_folder() as folder:
        try:
            node: RabbitmqNode = request.param(folder)
        except NamespacesRefusedError as refused:
            pytest.skip(str(refused))
        node.start()
        yield node
        node.stop()
        assert servers_in(folder) == []


async def test_it_is_private_and_a_confirmed_message_survives_kill_9(node: RabbitmqNode) -> None:
    url = node.url
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", durable=True)
        node.settle()
        message = aio_pika.Message(b"here", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key=queue.name)
    places = {
        entry.laddr.ip
        for pid in servers_in(node.folder)
        for entry in psutil.Process(pid).net_connections(kind="inet")
    }

    node.kill()
    node.start()

    assert places <= {"127.0.0.1", "::1"}
    assert node.url == url
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue("kept")
        assert (await queue.get()).body == b"here"
