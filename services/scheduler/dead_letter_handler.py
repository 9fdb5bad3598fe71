"""Records parked messages where people can list them, and ends what would otherwise wait for ever.

A second delivery changes nothing: the queue and the message id are unique together. Dying between
the record and the acknowledgement only means a second delivery.
"""

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from pydantic import ValidationError

from shared.db.dead_letters import DeadLetter
from shared.domain.errors import UndecodableMessage
from shared.messaging.envelope import DEAD_DETAIL_HEADER, DEAD_QUEUE_HEADER, ReceivedMessage
from shared.messaging.messages import DownloadResult, SubmitExecution
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach

log = get_logger()

_ENDED_BY_PARKING: Final = {model.TYPE: model for model in (SubmitExecution, DownloadResult)}


class DeadLetters(Protocol):
    """The book of parked messages."""

    async def record(self, letter: DeadLetter) -> None: ...
    async def fail_parked(self, execution_id: UUID, *, reason: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class DeadLetterHandler:
    """Takes whatever is parked, decodable or not."""

    letters: DeadLetters

    async def __call__(self, received: ReceivedMessage, /) -> None:
        reason = received.dead_reason or "unknown"
        detail = received.headers.get(DEAD_DETAIL_HEADER)
        await self.letters.record(
            DeadLetter(
                queue=str(received.headers.get(DEAD_QUEUE_HEADER, received.queue)).removesuffix(
                    ".dead"
                ),
                message_id=received.message_id,
                message_type=received.type or None,
                body=received.body.decode("utf-8", "replace").replace("\x00", "\ufffd"),
                headers=received.headers,
                correlation_id=received.correlation_id,
                reason=f"{reason}: {detail}" if detail else reason,
            )
        )
        reach(StopPoint.DEAD_LETTER_RECORDED)
        execution_id = _execution_of(received)
        if execution_id is not None:
            await self.letters.fail_parked(execution_id, reason=reason)
            reach(StopPoint.DEAD_LETTER_ENDED)
        log.error("message_parked", queue=received.queue, type=received.type, reason=reason)


def _execution_of(received: ReceivedMessage) -> UUID | None:
    model = _ENDED_BY_PARKING.get(received.type)
    if model is None:
        return None
    try:
        return model.decode(received.body).execution_id
    except (UndecodableMessage, ValidationError):
        return None
