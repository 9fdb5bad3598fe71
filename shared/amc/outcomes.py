"""Judges answers: what came back decides what happens next, and doubt is never mixed up with no.

A create has four outcomes (DESIGN 4). Only a definite 4xx is a refusal: 408, 3xx, 5xx and a
success that cannot be read all leave open whether AMC has the execution, so they are in doubt.
Texts are matched only where AMC_API 1.7 knows them and the status alone does not decide.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeVar

from shared.amc.bodies import Answer, UndecodableAnswer
from shared.amc.models import Members, RemoteExecution, read_execution
from shared.amc.retry_after import retry_after
from shared.domain.errors import (
    AmcConcurrencyReached,
    AmcflowError,
    AmcThrottled,
    AmcUnavailable,
    InDoubtError,
    InstanceForbidden,
    QueryRejected,
    RemoteNotFound,
    ResultUnavailable,
    TokenExpired,
)

T = TypeVar("T")

_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_REQUEST_TIMEOUT: Final = 408
_CONFLICT: Final = 409
_UNPROCESSABLE: Final = 422
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500

_UNKNOWN_ID: Final = re.compile(
    r"\bworkflow(?: execution)? with ID .{0,300}? does not exist", re.IGNORECASE
)
_ALREADY_THERE: Final = re.compile(r"\bworkflow with ID .{0,300}? already exists", re.IGNORECASE)
_NO_DOWNLOAD: Final = re.compile(r"\bunavailable for download\b", re.IGNORECASE)
_CONCURRENCY: Final = re.compile(
    r"\bconcurren(?:t|cy)\b|\bexecution limit\b|\bPENDING or RUNNING\b", re.IGNORECASE
)
_OLD_TOKEN: Final = re.compile(
    r"\b(?:token|credential)s?\b.{0,60}\bexpired\b|\bexpired\b.{0,60}\b(?:token|credential)s?\b",
    re.IGNORECASE,
)
_TERMS: Final = re.compile(r"\bterms and conditions\b", re.IGNORECASE)


class CancelOutcome(StrEnum):
    """What AMC answered to a cancel; the truth is what the next look at the execution shows."""

    REQUESTED = "requested"
    ALREADY_FINISHED = "already_finished"


def judge_create(answer: Answer) -> RemoteExecution:
    """The execution AMC made, or the one exception that says what is known about it."""
    if answer.is_success:
        try:
            return read_execution(answer.members())
        except UndecodableAnswer as error:
            raise InDoubtError(f"AMC accepted the execution but answered with {error}.") from error
    if _is_definite(answer):
        raise _create_refusal(answer)
    raise InDoubtError(f"AMC answered {answer.status} to a create: {answer.error_text()}")


def judge_read(read: Callable[[Members], T]) -> Callable[[Answer], T]:
    """For a call whose answer matters; one that cannot be read counts as no answer."""

    def judge(answer: Answer) -> T:
        _settle(answer)
        try:
            return read(answer.members())
        except UndecodableAnswer as error:
            raise AmcUnavailable(f"AMC answered with {error}.") from error

    return judge


def judge_create_workflow(answer: Answer) -> None:
    """An id that exists already is fine: the id is a hash of the content."""
    if answer.status == _CONFLICT or (
        answer.status in {_BAD_REQUEST, _UNPROCESSABLE}
        and _ALREADY_THERE.search(answer.error_text())
    ):
        return
    _settle(answer)


def judge_cancel(answer: Answer) -> CancelOutcome:
    """A 400 other than for an unknown id means that there is nothing left to cancel."""
    unknown = _UNKNOWN_ID.search(answer.error_text()) if not answer.is_success else None
    if answer.status in {_BAD_REQUEST, _CONFLICT} and not unknown:
        return CancelOutcome.ALREADY_FINISHED
    _settle(answer)
    return CancelOutcome.REQUESTED


def _settle(answer: Answer) -> None:
    if answer.is_success:
        return
    if _is_definite(answer):
        raise _refusal(answer)
    raise AmcUnavailable(f"AMC answered {answer.status}: {answer.error_text()}", wait=_wait(answer))


def _is_definite(answer: Answer) -> bool:
    return _BAD_REQUEST <= answer.status < _SERVER_ERROR and answer.status != _REQUEST_TIMEOUT


def _create_refusal(answer: Answer) -> AmcflowError:
    text = answer.error_text()
    if answer.status in {_TOO_MANY, _UNPROCESSABLE} and _CONCURRENCY.search(text):
        return AmcConcurrencyReached(text, wait=_wait(answer))
    if answer.status == _NOT_FOUND and not _UNKNOWN_ID.search(text):
        return QueryRejected(text)
    return _refusal(answer)


def _refusal(answer: Answer) -> AmcflowError:
    text = answer.error_text()
    match answer.status:
        case 401:
            return TokenExpired(f"AMC does not accept the access token: {text}")
        case 403:
            return _forbidden(answer, text)
        case 429:
            return AmcThrottled(f"AMC asks for fewer calls: {text}", wait=_wait(answer))
        case 400 | 404 if _NO_DOWNLOAD.search(text):
            return ResultUnavailable(text)
        case status if status == _NOT_FOUND or _UNKNOWN_ID.search(text):
            return RemoteNotFound(text)
        case _:
            return QueryRejected(text)


def _forbidden(answer: Answer, text: str) -> AmcflowError:
    # Two of Amazon's guides give 403 where its specification gives 401 (AMC_API 1.7).
    if answer.token_was_expired or _OLD_TOKEN.search(text):
        return TokenExpired(f"The access token ran out: {text}")
    if _TERMS.search(text):
        return InstanceForbidden(
            text, hint="Accept AMC's terms and conditions in the AMC console, once per region."
        )
    return InstanceForbidden(text)


def _wait(answer: Answer) -> timedelta | None:
    return retry_after(answer.headers, answer.received_at)
