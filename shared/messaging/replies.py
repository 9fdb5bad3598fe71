"""Answers to programs that named a reply queue."""

from typing import Final

from pydantic import BaseModel, ValidationError

from shared.domain.errors import AmcflowError, InvalidRequest
from shared.messaging.envelope import ReceivedMessage, to_queue
from shared.messaging.messages import Message, Problem, ProblemField, RequestRefused
from shared.messaging.publisher import Publisher
from shared.observability.logs import get_logger

log = get_logger()

_TITLES: Final = {
    "undecodable_message": "The message cannot be read",
    "unknown_message_type": "The message type is not known here",
    "invalid_request": "The request is not valid",
}


async def answer(publisher: Publisher, request: ReceivedMessage, reply: Message) -> bool:
    """Send `reply` to the request's reply queue; whether it got there.

    Its correlation id is the request's, or the request's message id if it had none.

    A reply queue that is gone is its owner's decision, no error of ours. BrokerUnavailable if
    RabbitMQ itself did not take it: then the request comes again and is answered again.
    """
    if not request.reply_to:
        return False
    message = to_queue(
        reply, request.reply_to, correlation_id=request.correlation_id or request.message_id
    )
    (receipt,) = await publisher.publish_many([message])
    if receipt.unroutable:
        log.info("reply_queue_absent", reply_to=request.reply_to, type=reply.TYPE)
        return False
    if receipt.error is not None:
        raise receipt.error
    return True


class RefusalReply:
    """Tells the sender of a request why it is parked: the `on_refused` of the intake's consumer."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def __call__(self, request: ReceivedMessage, error: AmcflowError) -> None:
        refused = RequestRefused(request_id=_request_id(request.body), problem=problem(error))
        await answer(self._publisher, request, refused)


def problem(error: AmcflowError) -> Problem:
    """The error as problem details, with each wrong field."""
    fields = error.problems if isinstance(error, InvalidRequest) else ()
    return Problem(
        type=f"urn:amcflow:problem:{error.code}",
        title=_TITLES.get(error.code, "The request was not carried out"),
        status=422 if isinstance(error, InvalidRequest) else 400,
        detail=f"{error.message} {error.hint}".strip(),
        code=error.code,
        errors=tuple(ProblemField(loc=field.loc, msg=field.msg) for field in fields),
    )


class _AnyRequest(BaseModel):
    request_id: str


def _request_id(body: bytes) -> str | None:
    """The id of a request that may be wrong in every other respect."""
    try:
        return _AnyRequest.model_validate_json(body).request_id[:200]
    except ValidationError:
        return None
