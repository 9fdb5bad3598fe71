"""A bare publisher and consumer over a quorum queue, with confirms."""

import asyncio
import time
from typing import Final

import aio_pika

_QUEUE: Final = "bench.dispatch"
_BODY: Final = b'{"execution_id":"01900000-0000-7000-8000-000000000000"}'


def publish_to_consume(amqp_url: str, count: int, *, pause: float) -> list[float]:
    """Seconds from calling publish to having the message, one message at a time."""
    return asyncio.run(_publish_to_consume(amqp_url, count, pause))


async def _publish_to_consume(amqp_url: str, count: int, pause: float) -> list[float]:
    async with await aio_pika.connect(amqp_url) as connection:
        sending = await connection.channel(publisher_confirms=True)
        receiving = await connection.channel()
        await receiving.set_qos(prefetch_count=16)
        queue = await receiving.declare_queue(
            _QUEUE, durable=True, arguments={"x-queue-type": "quorum"}
        )
        received: asyncio.Queue[float] = asyncio.Queue()

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            received.put_nowait(time.perf_counter())
            await message.ack()

        tag = await queue.consume(take)
        seconds = []
        for _ in range(count):
            started = time.perf_counter()
            message = aio_pika.Message(_BODY, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await sending.default_exchange.publish(message, routing_key=_QUEUE)
            seconds.append(await received.get() - started)
            await asyncio.sleep(pause)
        await queue.cancel(tag)
        await queue.delete(if_unused=False, if_empty=False)
        return seconds
