"""Brings a message back later: a timer row does the waiting, the broker none.

Only for what nobody expected: handlers postpone their own work with timers of their own kinds.
"""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.db.timers import DueTimer, Timers
from shared.messaging.envelope import OutgoingMessage, ReceivedMessage
from shared.messaging.publisher import Publisher

KIND: Final = "redeliver"


@dataclass(frozen=True, slots=True)
class TimerPostponer:
    """Stores the message in a timer."""

    timers: Timers

    async def postpone(
        self, message: ReceivedMessage, *, wait: timedelta, attempt: int, reason: str
    ) -> None:
        """Durable when it returns."""
        again = message.again(attempt=attempt)
        await self.timers.arm(
            KIND,
            f"{again.message_id}:{attempt}",
            wait=wait,
            command={
                "message_id": str(again.message_id),
                "queue": message.queue,
                "type": again.type,
                "body": base64.b64encode(again.body).decode(),
                "correlation_id": again.correlation_id,
                "reply_to": again.reply_to,
                "headers": dict(again.headers),
                "reason": reason,
            },
        )


def redelivery(publisher: Publisher) -> Callable[[DueTimer], Awaitable[None]]:
    """What the scheduler does when such a timer is due: publish with a confirm, then disarm."""

    async def redeliver(timer: DueTimer) -> None:
        command = timer.command
        message = OutgoingMessage(
            message_id=command["message_id"],
            exchange="",
            routing_key=command["queue"],
            type=command["type"],
            body=base64.b64decode(command["body"]),
            correlation_id=command["correlation_id"],
            headers=command["headers"],
            reply_to=command["reply_to"],
        )
        (receipt,) = await publisher.publish_many([message])
        if receipt.error is not None:
            raise receipt.error

    return redeliver
