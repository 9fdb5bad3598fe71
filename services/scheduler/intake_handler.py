"""Turns a request that came through the queue into executions: the same rules as over HTTP.

The request id is the idempotency key, so a request that is delivered or sent twice is accepted
once and answered alike each time. Dying before the commit leaves nothing, after it the next
delivery finds the stored answer.
"""

from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError

from shared.domain.errors import InvalidRequest
from shared.intake.errors import UnknownItems
from shared.intake.idempotency import Repeatable, content_hash
from shared.intake.intake import Asker, Intake
from shared.intake.models import Accepted, ExecutionItem
from shared.intake.problems import invalid
from shared.messaging.envelope import OWNER_HEADER, ReceivedMessage
from shared.messaging.messages import AcceptedItem, ExecutionsAccepted, RequestExecutions
from shared.messaging.publisher import Publisher
from shared.messaging.replies import answer
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach

log = get_logger()

OWNER: Final = "queue"
"""Who asked, in the eyes of fairness; a sender may name itself in the header `x-owner`."""
_SCOPE: Final = "queue amcflow.requests"
_ITEMS: Final = TypeAdapter(list[ExecutionItem])


class UnknownInRequest(InvalidRequest):
    """The request names workflows or instances that do not exist; nothing was stored.

    For a command a row that is gone means that nothing is left to do; a sender wants to hear of it.
    """

    code = UnknownItems.code


@dataclass(frozen=True, slots=True)
class IntakeHandler:
    """Carries out RequestExecutions."""

    intake: Intake
    publisher: Publisher

    async def __call__(self, request: RequestExecutions, received: ReceivedMessage, /) -> None:
        owner = str(received.headers.get(OWNER_HEADER, OWNER))[:200] or OWNER
        try:
            accepted = await self.intake.accept(
                _items(request),
                Asker(owner=owner, request_id=received.correlation_id or request.request_id),
                Repeatable(
                    owner=owner,
                    scope=_SCOPE,
                    key=request.request_id,
                    request_sha256=content_hash(_SCOPE, request),
                ),
            )
        except UnknownItems as error:
            raise UnknownInRequest(
                error.message, problems=error.problems, hint=error.hint
            ) from error
        reach(StopPoint.INTAKE_ACCEPTED)
        log.info("request_accepted", request_id=request.request_id, items=len(accepted.items))
        await answer(self.publisher, received, _reply(request, accepted))
        reach(StopPoint.INTAKE_ANSWERED)


def _items(request: RequestExecutions) -> list[ExecutionItem]:
    given = [item.as_given() for item in request.items]
    for item in given:
        if request.priority is not None:
            item.setdefault("priority", request.priority)
        tags = item.get("tags") or {}
        if request.tags and isinstance(tags, dict):
            item["tags"] = {**request.tags, **tags}
    try:
        return _ITEMS.validate_python(given)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        for detail in details:
            detail["loc"] = ("items", *detail["loc"])
        raise invalid(details) from error


def _reply(request: RequestExecutions, accepted: Accepted) -> ExecutionsAccepted:
    return ExecutionsAccepted(
        request_id=request.request_id,
        items=tuple(
            AcceptedItem(index=item.index, id=item.id, status=item.status)
            for item in accepted.items
        ),
    )
