"""A broker of our own that is really shut down and started again."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import aio_pika
import pytest

from deploy.local.profiles import FAST
from deploy.local.rabbitmq import RabbitmqNode
from deploy.local.rabbitmq_sources import rabbitmq_source
from deploy.local.scratch import scratch_folder
from shared.messaging.publisher import Publisher
from shared.messaging.topology import Queue, declare_queue
from tests.integration.messaging.bench import Bench, Handler, RememberingPostponer, soon
from tests.integration.messaging.wire import Wire


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, RabbitmqNode]]:
    """One of each version, started side by side."""
    with scratch_folder() as folder, ExitStack() as running:
        nodes = {
            name: RabbitmqNode(
                folder / f"restarted-{name}",
                rabbitmq_source(wanted, "AMCFLOW_TEST_AMQP_URL").get(),
                FAST,
            )
            for name, wanted in (("3", ""), ("4", "4"))
        }
        for node in nodes.values():
            running.callback(node.stop)
            node.launch()
        for node in nodes.values():
            node.wait_ready()
        yield nodes


@pytest.fixture(params=["3", "4"])
def node(request: pytest.FixtureRequest, nodes: dict[str, RabbitmqNode]) -> RabbitmqNode:
    return nodes[request.param]


async def test_consuming_and_publishing_go_on_after_a_restart(node: RabbitmqNode) -> None:
    queue = Queue("test.restarted", "", "test.restarted", "no.dead.letters")
    async with await aio_pika.connect(node.url) as connection:
        await declare_queue(await connection.channel(), queue)
    handler = Handler()
    async with (
        Wire.to(node.url) as wire,
        Publisher(node.url) as publisher,
        Bench.at(wire, queue, None, publisher, RememberingPostponer()) as bench,
    ):
        bench.submit(handler)
        await soon(handler.until_finished(await bench.send()))

        await asyncio.to_thread(node.restart)

        await soon(handler.until_finished(await bench.send_at_last()))
