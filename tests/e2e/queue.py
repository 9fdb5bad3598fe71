"""Asks for executions by a message, as another program does."""

import json
from uuid import uuid4

import aio_pika

QUEUE = "amcflow.requests"


async def ask_by_queue(
    amqp_url: str, body: object, *, times: int = 1, seconds: float = 15
) -> list[tuple[str, dict]]:
    """Send the same message so often; the type and the body of each answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        replies = await channel.declare_queue(exclusive=True)
        for _ in range(times):
            await channel.default_exchange.publish(_request(content, replies.name), QUEUE)
        async with replies.iterator(timeout=seconds) as incoming:
            return [_read(await anext(incoming)) for _ in range(times)]


def _request(content: bytes, reply_to: str) -> aio_pika.Message:
    ids = {"correlation_id": str(uuid4()), "message_id": str(uuid4())}
    return aio_pika.Message(content, delivery_mode=2, reply_to=reply_to, **ids)


def _read(answer: aio_pika.abc.AbstractIncomingMessage) -> tuple[str, dict]:
    return answer.type or "", json.loads(answer.body)
