"""The classifier as a table: every answer and every broken call, and what follows from it."""

import asyncio
import json
from datetime import timedelta

import httpx
import pytest

from shared.amc.bodies import Answer
from shared.amc.models import read_execution
from shared.amc.outcomes import (
    CancelOutcome,
    judge_cancel,
    judge_create,
    judge_create_workflow,
    judge_read,
)
from shared.domain.errors import (
    AmcConcurrencyReached,
    AmcflowError,
    AmcThrottled,
    AmcUnavailable,
    InDoubtError,
    InstanceForbidden,
    PermitExpired,
    QueryRejected,
    RemoteNotFound,
    ResultUnavailable,
    TokenExpired,
)
from tests.unit.shared.amc.build import (
    EXECUTION,
    EXECUTION_ID,
    FAR,
    OLD_TOKEN,
    TOKEN,
    make_answer,
    make_bench,
    make_permit,
    make_request,
    make_target,
)

GATEWAY_HTML = b"<html><head><title>429 Too Many Requests</title></head></html>"
NO_WORKFLOW = "Workflow with ID wf-1 does not exist"
NO_EXECUTION = f"Workflow execution with ID {EXECUTION_ID} does not exist."
NOT_COMPILED = (
    "Was unable to compile workflow wf-1 because it was found to be invalid: From line 6,"
    " column 12 to line 6, column 17: Object 'X' not found"
)
NO_DOWNLOAD = f"Execution with ID {EXECUTION_ID} is unavailable for download."
FULL = (
    "You have reached your execution limit of 5 workflowExecutions that are in PENDING or"
    " RUNNING status."
)


def details(text: str, status: int = 400) -> bytes:
    return json.dumps({"code": str(status), "details": text}).encode()


def message(text: str) -> bytes:
    return json.dumps({"message": text}).encode()


CREATE = [
    (200, b"{}", InDoubtError),
    (200, b"", InDoubtError),
    (200, b"<html>", InDoubtError),
    (200, b'{"workflowExecutionId": "x", "wor', InDoubtError),
    (200, b"\xff\xfe\x00", InDoubtError),
    (200, b"[]", InDoubtError),
    (200, b'{"workflowExecutionId": 7}', InDoubtError),
    (200, None, InDoubtError),
    (302, b"", InDoubtError),
    (400, details(NOT_COMPILED), QueryRejected),
    (400, b"not json", QueryRejected),
    (400, details(NO_WORKFLOW), RemoteNotFound),
    (401, details("HTTP 401 Unauthorized", 401), TokenExpired),
    (403, details("Unauthorized request.", 403), InstanceForbidden),
    (403, details("The access token expired", 403), TokenExpired),
    (403, message("Expired security token"), TokenExpired),
    (403, details("Terms and conditions must be accepted to continue"), InstanceForbidden),
    (404, b"", QueryRejected),
    (404, details(NO_WORKFLOW), RemoteNotFound),
    (405, b"", QueryRejected),
    (408, b"", InDoubtError),
    (409, b"", QueryRejected),
    (410, b"", QueryRejected),
    (413, b"", QueryRejected),
    (422, details("Number of columns must match"), QueryRejected),
    (422, details(FULL, 422), AmcConcurrencyReached),
    (429, details(FULL, 429), AmcConcurrencyReached),
    (429, message("concurrent executions per instance exceeded"), AmcConcurrencyReached),
    (429, message("Too Many Requests"), AmcThrottled),
    (429, GATEWAY_HTML, AmcThrottled),
    (429, b"", AmcThrottled),
    (500, details("Internal error", 500), InDoubtError),
    (502, b"<html>", InDoubtError),
    (503, b"", InDoubtError),
    (504, message("Endpoint request timed out"), InDoubtError),
]


@pytest.mark.parametrize(("status", "body", "expected"), CREATE)
def test_an_answer_to_a_create_has_exactly_one_meaning(
    status: int, body: bytes | None, expected: type[AmcflowError]
) -> None:
    with pytest.raises(AmcflowError) as caught:
        judge_create(make_answer(status, body))

    assert type(caught.value) is expected


def test_a_403_with_a_token_past_its_expiry_asks_for_a_refresh() -> None:
    with pytest.raises(TokenExpired):
        judge_create(make_answer(403, details("Unauthorized request."), token_was_expired=True))


def test_a_create_is_read_flat_or_wrapped() -> None:
    flat = judge_create(make_answer(body=json.dumps(EXECUTION).encode()))
    wrapped = judge_create(make_answer(body=json.dumps({"workflowExecution": EXECUTION}).encode()))

    assert flat == wrapped
    assert flat.amc_execution_id == EXECUTION_ID


@pytest.mark.parametrize("status", [422, 429])
def test_a_full_instance_waits_as_long_as_amc_asks(status: int) -> None:
    with pytest.raises(AmcConcurrencyReached) as caught:
        judge_create(make_answer(status, details(FULL), headers={"Retry-After": "90"}))

    assert caught.value.wait == timedelta(seconds=90)


BROKEN = [
    (httpx.ConnectError("refused"), AmcUnavailable),
    (httpx.ConnectTimeout("slow"), AmcUnavailable),
    (httpx.PoolTimeout("full"), AmcUnavailable),
    (httpx.UnsupportedProtocol("ftp"), AmcUnavailable),
    (PermitExpired("late"), PermitExpired),
    (httpx.ReadTimeout("slow"), InDoubtError),
    (httpx.WriteTimeout("slow"), InDoubtError),
    (httpx.ReadError("reset"), InDoubtError),
    (httpx.WriteError("broken pipe"), InDoubtError),
    (httpx.CloseError("broken"), InDoubtError),
    (httpx.RemoteProtocolError("cut"), InDoubtError),
    (httpx.LocalProtocolError("odd"), InDoubtError),
    (httpx.DecodingError("odd"), InDoubtError),
    (httpx.TooManyRedirects("odd"), InDoubtError),
    (TimeoutError(), InDoubtError),
]


@pytest.mark.parametrize(("broken", "expected"), BROKEN)
async def test_a_broken_create_is_in_doubt_unless_nothing_was_sent(
    broken: Exception, expected: type[AmcflowError]
) -> None:
    bench = make_bench(broken)

    with pytest.raises(AmcflowError) as caught:
        await bench.client.create_execution(
            make_target(), TOKEN, make_request(), permit=make_permit(bench.clock)
        )

    assert type(caught.value) is expected
    assert len(bench.requests) == 1
    assert [record.error_code for record in bench.log.records] == [expected.code]


async def test_a_cancelled_create_stays_cancelled_and_is_recorded() -> None:
    bench = make_bench()

    async def cancelled(_: httpx.Request) -> httpx.Response:
        raise asyncio.CancelledError

    bench.client.attempts.http._transport = httpx.MockTransport(cancelled)
    with pytest.raises(asyncio.CancelledError):
        await bench.client.create_execution(
            make_target(), TOKEN, make_request(), permit=make_permit(bench.clock)
        )

    assert [record.error_code for record in bench.log.records] == ["interrupted"]


OTHERS = [
    (200, b"<html>", AmcUnavailable),
    (200, None, AmcUnavailable),
    (301, b"", AmcUnavailable),
    (400, details("entityId provided is null"), QueryRejected),
    (400, details(NO_EXECUTION), RemoteNotFound),
    (400, details(NO_DOWNLOAD), ResultUnavailable),
    (401, b"", TokenExpired),
    (403, details("Unauthorized request."), InstanceForbidden),
    (403, details("token has expired"), TokenExpired),
    (404, b"", RemoteNotFound),
    (404, details(NO_DOWNLOAD), ResultUnavailable),
    (408, b"", AmcUnavailable),
    (429, GATEWAY_HTML, AmcThrottled),
    (500, b"", AmcUnavailable),
    (504, message("Endpoint request timed out"), AmcUnavailable),
]


@pytest.mark.parametrize(("status", "body", "expected"), OTHERS)
def test_an_answer_to_a_call_that_may_be_repeated_is_never_in_doubt(
    status: int, body: bytes | None, expected: type[AmcflowError]
) -> None:
    with pytest.raises(AmcflowError) as caught:
        judge_read(read_execution)(make_answer(status, body))

    assert type(caught.value) is expected


@pytest.mark.parametrize(
    "answer",
    [
        make_answer(200, b"{}"),
        make_answer(200, b"garbage"),
        make_answer(400, details("Workflow with ID wf-1 already exists.")),
        make_answer(400, message("Workflow with ID wf-1 already exists.")),
        make_answer(409, b""),
    ],
)
def test_a_workflow_that_exists_is_as_good_as_created(answer: Answer) -> None:
    judge_create_workflow(answer)


def test_a_workflow_that_does_not_compile_is_rejected_with_amcs_words() -> None:
    with pytest.raises(QueryRejected, match="Object 'X' not found"):
        judge_create_workflow(make_answer(400, details(NOT_COMPILED)))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (make_answer(200), CancelOutcome.REQUESTED),
        (make_answer(400, details("is already SUCCEEDED")), CancelOutcome.ALREADY_FINISHED),
        (make_answer(400, b""), CancelOutcome.ALREADY_FINISHED),
        (make_answer(409, b""), CancelOutcome.ALREADY_FINISHED),
    ],
)
def test_a_cancel_tells_whether_there_was_something_to_cancel(
    answer: Answer, expected: CancelOutcome
) -> None:
    assert judge_cancel(answer) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (make_answer(400, details(NO_EXECUTION)), RemoteNotFound),
        (make_answer(404), RemoteNotFound),
        (make_answer(401), TokenExpired),
        (make_answer(429), AmcThrottled),
        (make_answer(500), AmcUnavailable),
    ],
)
def test_a_cancel_that_did_not_arrive_is_an_error(
    answer: Answer, expected: type[AmcflowError]
) -> None:
    with pytest.raises(expected):
        judge_cancel(answer)


async def test_the_tokens_own_expiry_decides_what_a_403_means() -> None:
    bench = make_bench(*[httpx.Response(403, content=details("Unauthorized request."))] * 2)
    get = bench.client.get_execution

    with pytest.raises(InstanceForbidden):
        await get(make_target(), TOKEN, EXECUTION_ID, give_up_at=FAR)
    with pytest.raises(TokenExpired):
        await get(make_target(), OLD_TOKEN, EXECUTION_ID, give_up_at=FAR)
