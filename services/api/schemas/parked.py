"""Parked messages as they go out: whatever a stranger wrote in them is bounded, and harmless to a
terminal, a log or a page."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, Field

from shared.db.dead_letters import ParkedEvent, ParkedFilter, ParkedMessage
from shared.domain.ids import EXECUTION_PREFIX, show
from shared.intake.models import Strict, Text
from shared.security.secrets import redact_text

_LONGEST_LINE: Final = 300
_LONGEST_REASON: Final = 1_200
_LONGEST_BODY: Final = 2_000

Filter = Annotated[Text, Field(min_length=1, max_length=255)]


class RedriveIn(Strict):
    """Which open messages to send again; what is left out does not restrict."""

    queue: Filter | None = None
    kind: Filter | None = None
    reason: Filter | None = None
    parked_before: AwareDatetime | None = None
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100

    def filter(self) -> ParkedFilter:
        """For the repository."""
        return ParkedFilter(self.queue, self.kind, self.reason, self.parked_before)


class DiscardIn(Strict):
    """Why nobody will handle this message."""

    reason: Annotated[Text, Field(min_length=1, max_length=500, pattern=r"\S")]


class ParkedOut(BaseModel):
    """A message that nobody could handle. `reason` is a code, `detail` the text behind it."""

    id: int
    status: str
    queue: str
    kind: str | None
    message_id: str
    reason: str
    detail: str | None
    execution_id: str | None
    execution_status: str | None
    request_id: str | None
    parked_count: int
    parked_at: datetime
    last_parked_at: datetime
    settled_at: datetime | None
    size_bytes: int


class ParkedEventOut(BaseModel):
    """One time it was parked, sent again or discarded; `by` is the name of a token."""

    at: datetime
    kind: str
    by: str | None
    detail: str | None


class ParkedDetail(ParkedOut):
    """One message with its history and the beginning of its body, secrets as stars."""

    body: str
    body_is_cut: bool
    history: list[ParkedEventOut]


class LeftAloneOut(BaseModel):
    """A message that was not sent again: `ended`, `unreadable` or `unknown_queue`."""

    id: int
    why: str


class RedrivenOut(BaseModel):
    """What was sent again; while `has_more`, ask again with `after`."""

    sent: list[int]
    left_alone: list[LeftAloneOut]
    after: int
    has_more: bool


def show_parked(message: ParkedMessage) -> ParkedOut:
    reason, _, detail = message.reason.partition(": ")
    return ParkedOut(
        id=message.id,
        status=message.status,
        queue=harmless(message.queue, _LONGEST_LINE),
        kind=None if message.message_type is None else harmless(message.message_type),
        message_id=harmless(message.message_id),
        reason=harmless(reason),
        detail=harmless(detail, _LONGEST_REASON) or None,
        execution_id=message.execution_id and show(EXECUTION_PREFIX, message.execution_id),
        execution_status=message.execution_state,
        request_id=None if message.correlation_id is None else harmless(message.correlation_id),
        parked_count=message.parked_count,
        parked_at=message.parked_at,
        last_parked_at=message.last_parked_at,
        settled_at=message.settled_at,
        size_bytes=message.size_bytes,
    )


def show_parked_detail(message: ParkedMessage, history: list[ParkedEvent]) -> ParkedDetail:
    body = harmless(message.body, _LONGEST_BODY)
    return ParkedDetail(
        **show_parked(message).model_dump(),
        body=body,
        body_is_cut=message.size_bytes > len(message.body.encode()) or body.endswith(_CUT),
        history=[
            ParkedEventOut(
                at=event.at,
                kind=event.kind,
                by=event.by,
                detail=None if event.detail is None else harmless(event.detail, _LONGEST_REASON),
            )
            for event in history
        ],
    )


_CUT: Final = "…"


def harmless(text: str, longest: int = _LONGEST_LINE) -> str:
    """The text without secrets and with everything that does not print written out."""
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in redact_text(text[: 2 * longest])
    )
    return shown if len(shown) <= longest else shown[: longest - 1] + _CUT
