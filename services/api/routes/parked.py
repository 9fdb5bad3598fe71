"""Messages that nobody could handle: listed, shown with their reason, sent again, discarded."""

# ruff: noqa: FAST003 - the dependency that reads the number reads it from the path

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from services.api.dependencies import State, Who
from services.api.paging import AskedPage, Page, read_number, wrap
from services.api.schemas.parked import (
    DiscardIn,
    Filter,
    LeftAloneOut,
    ParkedDetail,
    ParkedOut,
    RedriveIn,
    RedrivenOut,
    show_parked,
    show_parked_detail,
)
from services.api.state import ApiState
from shared.db.dead_letters import LAST, ParkedFilter
from shared.domain.errors import NotFound
from shared.messaging.topology import Topology
from shared.observability.logs import get_logger

log = get_logger()

router = APIRouter(prefix="/admin/parked", tags=["admin"])

_LIST = "parked"
_QUEUES = [queue.name for queue in Topology().work_queues]


class ParkedStatus(StrEnum):
    """`open` waits for a person."""

    OPEN = "open"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"
    ALL = "all"


async def _letter(parked_id: str) -> int:
    if not (parked_id.isascii() and parked_id.isdigit()) or int(parked_id[:20]) > LAST:
        raise NotFound(f"No parked message has the id {parked_id[:80]!r}.", hint="It is a number.")
    return int(parked_id)


Letter = Annotated[int, Depends(_letter)]


async def _filter(
    queue: Annotated[Filter | None, Query(description="The queue it was taken from.")] = None,
    kind: Annotated[Filter | None, Query(description="Its type, as cancel_stray.v1.")] = None,
    reason: Annotated[Filter | None, Query(description="The code of the error.")] = None,
    parked_before: AwareDatetime | None = None,
) -> ParkedFilter:
    return ParkedFilter(queue, kind, reason, parked_before)


@router.get("")
async def list_parked(
    *,
    state: State,
    paging: AskedPage,
    wanted: Annotated[ParkedFilter, Depends(_filter)],
    status: ParkedStatus = ParkedStatus.OPEN,
) -> Page[ParkedOut]:
    """Parked messages, newest first; those that wait for a person unless another status is
    asked for."""
    before = read_number(paging.cursor, _LIST) or LAST
    rows = await state.parked.page(wanted, status=status, before=before, limit=paging.fetch)
    return paging.page(rows, show_parked, lambda row: wrap(_LIST, row.id))


@router.post("/redrive")
async def redrive_many(body: RedriveIn, state: State, who: Who) -> RedrivenOut:
    """Send open messages again, oldest first. What cannot be sent stays open and is named."""
    outcomes = await state.parked.redrive_all(
        body.filter(), by=who.owner, queues=_QUEUES, after=body.after, limit=body.limit
    )
    state.wake_relay()
    sent = [each.id for each in outcomes if each.outcome == "sent"]
    log.info("parked_messages_redriven", by=who.owner, sent=len(sent), seen=len(outcomes))
    return RedrivenOut(
        sent=sent,
        left_alone=[
            LeftAloneOut(id=each.id, why=each.outcome)
            for each in outcomes
            if each.outcome != "sent"
        ],
        after=outcomes[-1].id if outcomes else body.after,
        has_more=len(outcomes) == body.limit,
    )


@router.get("/{parked_id}")
async def read_parked(letter: Letter, state: State) -> ParkedDetail:
    """One message with its history and the beginning of its body."""
    return await _shown(letter, state)


@router.post("/{parked_id}/redrive")
async def redrive_one(letter: Letter, state: State, who: Who) -> ParkedDetail:
    """Send it again. If it fails once more it is parked once more, and counted."""
    await state.parked.redrive(letter, by=who.owner, queues=_QUEUES)
    state.wake_relay()
    log.info("parked_message_redriven", by=who.owner, parked_id=letter)
    return await _shown(letter, state)


@router.post("/{parked_id}/discard")
async def discard_one(letter: Letter, body: DiscardIn, state: State, who: Who) -> ParkedDetail:
    """Nobody will handle it. It stays as a record, with who said so and why."""
    await state.parked.discard(letter, by=who.owner, reason=body.reason)
    log.info("parked_message_discarded", by=who.owner, parked_id=letter)
    return await _shown(letter, state)


async def _shown(letter: int, state: ApiState) -> ParkedDetail:
    return show_parked_detail(await state.parked.get(letter), await state.parked.history(letter))
