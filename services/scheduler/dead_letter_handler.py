"""Records parked messages where people can list them, and ends what would otherwise wait for ever.

A second delivery changes nothing: each message is kept once. Dying between the record and the
acknowledgement only means a second delivery. One that a person had sent again and that was parked
once more is opened again; a late copy of an earlier try is known by its mark and left alone, and
ends nothing. Whatever a stranger put into it, it must be storable: otherwise it would come for
ever.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from shared.db.dead_letters import DeadLetter
from shared.domain.errors import UndecodableMessage
from shared.messaging.envelope import (
    DEAD_DETAIL_HEADER,
    DEAD_QUEUE_HEADER,
    REDRIVE_HEADER,
    HeaderValue,
    ReceivedMessage,
)
from shared.messaging.messages import (
    CancelExecution,
    DownloadResult,
    ReconcileExecution,
    SubmitExecution,
)
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach

log = get_logger()

_ABOUT_AN_EXECUTION: Final = {
    model.TYPE: model
    for model in (SubmitExecution, DownloadResult, CancelExecution, ReconcileExecution)
}
_REPLACED: Final = "\ufffd"
"""In a stored body: something was here that is no text, so it is never sent again."""
_ENDED_BY_PARKING: Final = (SubmitExecution.TYPE, DownloadResult.TYPE)


class DeadLetters(Protocol):
    """The book of parked messages."""

    async def record(self, letter: DeadLetter) -> bool: ...
    async def fail_parked(self, execution_id: UUID, *, reason: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class DeadLetterHandler:
    """Takes whatever is parked, decodable or not."""

    letters: DeadLetters

    async def __call__(self, received: ReceivedMessage, /) -> None:
        reason = _storable(received.dead_reason or "unknown")
        execution_id = _execution_of(received)
        is_open = await self.letters.record(_letter(received, reason, execution_id))
        reach(StopPoint.DEAD_LETTER_RECORDED)
        if is_open and execution_id is not None and received.type in _ENDED_BY_PARKING:
            await self.letters.fail_parked(execution_id, reason=reason)
            reach(StopPoint.DEAD_LETTER_ENDED)
        log.error("message_parked", queue=received.queue, type=received.type, reason=reason)


def _letter(received: ReceivedMessage, reason: str, execution_id: UUID | None) -> DeadLetter:
    detail = received.headers.get(DEAD_DETAIL_HEADER)
    queue = str(received.headers.get(DEAD_QUEUE_HEADER, received.queue))
    return DeadLetter(
        queue=_storable(queue.removesuffix(".dead")),
        message_id=_storable(received.message_id),
        message_type=_storable(received.type) or None,
        body=received.body.decode("utf-8", "replace").replace("\x00", _REPLACED),
        headers=_storable_headers(received.headers),
        correlation_id=received.correlation_id and _storable(received.correlation_id),
        reason=f"{reason}: {_storable(str(detail))}" if detail else reason,
        execution_id=execution_id,
        reply_to=received.reply_to and _storable(received.reply_to),
        redrive_id=_mark_of(received),
    )


def _execution_of(received: ReceivedMessage) -> UUID | None:
    model = _ABOUT_AN_EXECUTION.get(received.type)
    if model is None:
        return None
    try:
        return model.decode(received.body).execution_id
    except UndecodableMessage:
        return None


def _mark_of(received: ReceivedMessage) -> UUID | None:
    try:
        return UUID(str(received.headers.get(REDRIVE_HEADER, "")))
    except ValueError:
        return None


def _storable(text: str) -> str:
    """Postgres has no character NUL. One byte for one: AMQP bounds types and ids by bytes."""
    return text.replace("\x00", "?")


def _storable_headers(headers: Mapping[str, HeaderValue]) -> dict[str, HeaderValue]:
    """JSON has no infinite numbers."""
    return {
        _storable(name): _storable(value) if isinstance(value, str) else value
        for name, value in headers.items()
        if not (isinstance(value, float) and not math.isfinite(value))
    }
