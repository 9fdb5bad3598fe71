"""What the client sends, what it spends, and how patiently it repeats."""

import json
import time
from datetime import UTC, datetime

import httpx
import pytest

from shared.amc.administration import AmcAdministration
from shared.amc.attempt import LeaseTooShort
from shared.amc.outcomes import CancelOutcome
from shared.amc.permits import MAX_AGE_SECONDS, CallClass, Permit
from shared.amc.target import (
    AmcTarget,
    ExecutionRequest,
    TimeWindow,
    TimeWindowType,
    WorkflowParameter,
    path_part,
)
from shared.domain.errors import AmcThrottled, AmcUnavailable, PermitExpired, RemoteNotFound
from shared.domain.ids import (
    AmcExecutionId,
    AmcInstanceId,
    AmcWorkflowId,
    EntityId,
    InstanceKey,
    MarketplaceId,
)
from tests.unit.shared.amc.build import (
    EXECUTION,
    EXECUTION_ID,
    FAR,
    TOKEN,
    Clock,
    make_bench,
    make_permit,
    make_request,
    make_target,
)


def ok(body: object = EXECUTION) -> httpx.Response:
    return httpx.Response(200, json=body, headers={"x-amz-rid": "RID0123456789ABCDEFG"})


async def test_every_call_carries_the_four_headers_and_amcs_own_instance_id() -> None:
    bench = make_bench(ok())

    await bench.client.get_execution(make_target(), TOKEN, EXECUTION_ID, give_up_at=FAR)

    sent = bench.requests[0]
    assert sent.url == f"https://amc.test/amc/reporting/amctest1/workflowExecutions/{EXECUTION_ID}"
    assert sent.headers["Authorization"] == "Bearer Atza|valid"
    assert sent.headers["Amazon-Advertising-API-ClientId"] == "amzn1.application-oa2-client.test"
    assert sent.headers["Amazon-Advertising-API-AdvertiserId"] == "ENTITY1"
    assert sent.headers["Amazon-Advertising-API-MarketplaceId"] == "ATVPDKIKX0DER"


@pytest.mark.parametrize(
    ("amc_id", "encoded"),
    [
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("wf.1_-", "wf.1_-"),
        ("ä", "%C3%A4"),
        ("%2F", "%252F"),
    ],
)
def test_an_id_cannot_leave_its_place_in_the_path(amc_id: str, encoded: str) -> None:
    target = AmcTarget(
        AmcInstanceId(amc_id), EntityId("E"), MarketplaceId("M"), InstanceKey(1), "https://amc.test"
    )

    path = target.path("workflowExecutions", amc_id)

    assert path == f"/amc/reporting/{encoded}/workflowExecutions/{encoded}"
    assert httpx.URL("https://amc.test" + path).raw_path.decode() == path


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        path_part("")


async def test_a_create_sends_the_window_and_the_parameters_once() -> None:
    bench = make_bench(ok())
    request = ExecutionRequest(
        AmcWorkflowId("wf-1"),
        TimeWindow(
            TimeWindowType.EXPLICIT,
            start=datetime(2025, 5, 1),  # noqa: DTZ001 - local to the window's zone
            end=datetime(2025, 5, 8, 4, tzinfo=UTC),
            time_zone="America/New_York",
        ),
        {"campaign": "c1"},
        timeout_seconds=21_607,
    )

    execution = await bench.client.create_execution(
        make_target(), TOKEN, request, permit=make_permit(bench.clock)
    )

    assert json.loads(bench.requests[0].content) == {
        "workflowId": "wf-1",
        "timeWindowType": "EXPLICIT",
        "timeWindowStart": "2025-05-01T00:00:00",
        "timeWindowEnd": "2025-05-08T00:00:00",
        "timeWindowTimeZone": "America/New_York",
        "parameterValues": {"campaign": "c1"},
        "workflowExecutionTimeoutSeconds": 21_607,
    }
    assert execution.status == "PENDING"
    assert bench.permits.taken == []


@pytest.mark.parametrize(
    ("kind", "start"),
    [(TimeWindowType.EXPLICIT, None), (TimeWindowType.ALL, datetime(2025, 1, 1, tzinfo=UTC))],
)
def test_a_start_goes_with_an_explicit_window_only(
    kind: TimeWindowType, start: datetime | None
) -> None:
    with pytest.raises(ValueError, match="EXPLICIT"):
        TimeWindow(kind, start=start)


async def test_a_workflow_is_created_with_its_declared_parameters() -> None:
    bench = make_bench(ok({}))

    await bench.client.create_workflow(
        make_target(),
        TOKEN,
        amc_workflow_id=AmcWorkflowId("wf-1"),
        sql_query="SELECT 1",
        parameters=[WorkflowParameter("campaign", default_value="c0")],
        give_up_at=FAR,
    )

    assert json.loads(bench.requests[0].content) == {
        "workflowId": "wf-1",
        "sqlQuery": "SELECT 1",
        "inputParameters": [{"name": "campaign", "dataType": "STRING", "defaultValue": "c0"}],
    }
    assert bench.permits.taken == [(7, CallClass.SUBMIT)]


async def test_a_list_asks_for_cancelled_ones_too_and_in_amcs_time_format() -> None:
    bench = make_bench(ok({"executions": [EXECUTION], "nextToken": "more"}))

    page = await bench.client.list_executions(
        make_target(),
        TOKEN,
        workflow_id=AmcWorkflowId("wf-1"),
        created_since=datetime(2025, 5, 1, 10, 0, 0, 999, tzinfo=UTC),
        next_token="a b&c",
        give_up_at=FAR,
    )

    assert dict(bench.requests[0].url.params) == {
        "workflowId": "wf-1",
        "minCreationTime": "2025-05-01T10:00:00",
        "includeCancelled": "true",
        "limit": "100",
        "nextToken": "a b&c",
    }
    assert page.next_token == "more"
    assert [execution.amc_execution_id for execution in page.executions] == [EXECUTION_ID]


async def test_a_list_of_everything_is_refused_before_amc_refuses_it() -> None:
    bench = make_bench()

    with pytest.raises(ValueError, match="not all"):
        await bench.client.list_executions(make_target(), TOKEN, give_up_at=FAR)


async def test_a_cancel_is_a_put_of_the_status() -> None:
    bench = make_bench(ok({}))

    outcome = await bench.client.cancel_execution(
        make_target(), TOKEN, AmcExecutionId(EXECUTION_ID), give_up_at=FAR
    )

    assert outcome is CancelOutcome.REQUESTED
    assert bench.requests[0].method == "PUT"
    assert json.loads(bench.requests[0].content) == {"status": "CANCELLED"}


async def test_links_are_returned_exactly_and_never_shown() -> None:
    link = "https://s3.test/part?X-Amz-Signature=deadbeef"
    bench = make_bench(ok({"downloadUrls": [link], "metadataDownloadUrls": [link]}))

    links = await bench.client.download_links(
        make_target(), TOKEN, AmcExecutionId(EXECUTION_ID), give_up_at=FAR
    )

    assert links.urls == (link,)
    assert "deadbeef" not in repr(links)
    assert bench.permits.taken == [(7, CallClass.DOWNLOAD)]


async def test_each_attempt_takes_a_new_permit_and_leaves_a_record() -> None:
    bench = make_bench(httpx.ReadTimeout("slow"), httpx.Response(503), ok())

    await bench.client.get_execution(make_target(), TOKEN, EXECUTION_ID, give_up_at=FAR)

    assert bench.permits.taken == [(7, CallClass.POLL)] * 3
    assert [(r.status, r.error_code) for r in bench.log.records] == [
        (None, "amc_unavailable"),
        (503, "amc_unavailable"),
        (200, None),
    ]
    assert bench.log.records[-1].request_id == "RID0123456789ABCDEFG"


async def test_the_third_failure_is_the_last() -> None:
    bench = make_bench(*[httpx.ConnectError("refused")] * 3)

    with pytest.raises(AmcUnavailable):
        await bench.client.get_execution(make_target(), TOKEN, EXECUTION_ID, give_up_at=FAR)

    assert len(bench.requests) == 3
    assert len(bench.clock.slept) == 2
    assert all(0 <= wait <= 8 for wait in bench.clock.slept)


async def test_nothing_is_repeated_beyond_the_lease() -> None:
    bench = make_bench(httpx.ConnectError("refused"), ok())
    bench.client.attempts.http.event_hooks = {"request": [_later(bench.clock, 10.0)]}

    with pytest.raises(AmcUnavailable):
        await bench.client.get_execution(
            make_target(), TOKEN, EXECUTION_ID, give_up_at=bench.clock() + 10
        )

    assert len(bench.requests) == 1


def _later(clock: Clock, seconds: float):
    async def hook(_: httpx.Request) -> None:
        clock.seconds += seconds

    return hook


async def test_nothing_is_sent_when_the_turn_comes_after_the_lease() -> None:
    bench = make_bench(ok(), permit_wait=60)

    with pytest.raises(LeaseTooShort):
        await bench.client.get_execution(
            make_target(), TOKEN, EXECUTION_ID, give_up_at=bench.clock() + 30
        )

    assert bench.requests == []
    assert bench.clock.slept == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
async def test_a_definite_answer_is_not_repeated(status: int) -> None:
    bench = make_bench(httpx.Response(status))

    with pytest.raises(Exception, match=f"{status}|HTTP"):
        await bench.client.get_execution(make_target(), TOKEN, EXECUTION_ID, give_up_at=FAR)

    assert len(bench.requests) == 1


async def test_a_throttled_call_says_how_long_to_wait() -> None:
    bench = make_bench(httpx.Response(429, headers={"retry-after": "7"}))

    with pytest.raises(AmcThrottled) as caught:
        await bench.client.get_execution(make_target(), TOKEN, EXECUTION_ID, give_up_at=FAR)

    assert caught.value.wait is not None
    assert caught.value.wait.total_seconds() == 7


async def test_a_create_waits_for_its_turn() -> None:
    bench = make_bench(ok())

    await bench.client.create_execution(
        make_target(), TOKEN, make_request(), permit=make_permit(bench.clock, wait=0.105)
    )

    assert sum(bench.clock.slept) == pytest.approx(0.105)


async def test_a_create_with_an_old_permit_sends_nothing() -> None:
    bench = make_bench(ok())
    permit = make_permit(bench.clock)
    bench.clock.seconds += MAX_AGE_SECONDS + 0.001

    with pytest.raises(PermitExpired):
        await bench.client.create_execution(make_target(), TOKEN, make_request(), permit=permit)

    assert bench.requests == []


async def test_a_read_with_an_old_permit_takes_the_next_at_once() -> None:
    bench = make_bench(PermitExpired("late"), ok())

    await bench.client.get_execution(make_target(), TOKEN, EXECUTION_ID, give_up_at=FAR)

    assert len(bench.permits.taken) == 2
    assert sum(bench.clock.slept) == 0


def test_a_permit_is_not_used_before_the_later_moment_and_expires_from_the_earlier_one() -> None:
    permit = Permit.booked(earliest=7.0, latest=7.010)

    assert permit.ready_at_monotonic == 7.010
    assert permit.expires_at_monotonic == 7.0 + MAX_AGE_SECONDS


async def test_records_hold_neither_tokens_nor_query_strings() -> None:
    bench = make_bench(ok({"executions": []}))

    await bench.client.list_executions(
        make_target(), TOKEN, workflow_id=AmcWorkflowId("wf-1"), give_up_at=FAR
    )

    record = bench.log.records[0]
    assert record.path == "/amc/reporting/amctest1/workflowExecutions"
    assert "Atza" not in repr(record)
    assert (record.caller, record.call, record.method) == ("test", "list_executions", "GET")


async def test_all_pages_of_accounts_and_instances_are_read() -> None:
    account = {"accountId": "ENTITY1", "accountName": "A", "marketplaceId": "M1"}
    bench = make_bench(
        ok({"amcAccounts": [account], "nextToken": "2"}),
        ok({"amcAccounts": [account | {"accountId": "ENTITY2"}]}),
        ok({"instances": [{"instanceId": "amc1", "entities": ["NA"]}], "nextToken": None}),
    )
    administration = AmcAdministration(bench.client.attempts, "https://amc.test")

    accounts = await administration.list_accounts(TOKEN, give_up_at=time.monotonic() + FAR)
    instances = await administration.list_instances(
        TOKEN,
        entity_id=accounts[0].entity_id,
        marketplace_id=accounts[0].marketplace_id,
        give_up_at=time.monotonic() + FAR,
    )

    assert [found.entity_id for found in accounts] == ["ENTITY1", "ENTITY2"]
    assert bench.requests[1].url.params["nextToken"] == "2"
    assert "Amazon-Advertising-API-AdvertiserId" not in bench.requests[0].headers
    assert bench.requests[2].headers["Amazon-Advertising-API-AdvertiserId"] == "ENTITY1"
    assert [found.amc_instance_id for found in instances] == ["amc1"]


async def test_an_unknown_execution_is_not_found() -> None:
    text = f"Workflow execution with ID {EXECUTION_ID} does not exist."
    bench = make_bench(httpx.Response(400, json={"code": "400", "details": text}))

    with pytest.raises(RemoteNotFound, match=EXECUTION_ID):
        await bench.client.get_execution(make_target(), TOKEN, EXECUTION_ID, give_up_at=FAR)
