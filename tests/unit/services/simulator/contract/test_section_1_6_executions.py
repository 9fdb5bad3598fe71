"""Section 1.6: executions as they are shown, and their results."""

import csv
import io
import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.unit.services.simulator.contract.conftest import SQL, WINDOW

PENDING = {
    "createTime", "dataGaps", "disableAggregationControls", "executionCategory", "expireTime",
    "ignoreDataGaps", "lastUpdatedTime", "parameterValues", "status", "timeWindowStart",
    "timeWindowEnd", "timeWindowStartOriginal", "timeWindowEndOriginal",
    "timeWindowTimeZoneOriginal", "waitUntil", "workflowExecutionId",
    "workflowExecutionTimeoutSeconds", "workflowId",
}  # fmt: skip
SUCCEEDED = PENDING | {
    "availableTimeBeforeWindowSecs", "executionTime", "invalidationOffsetSecs", "outputColumns",
    "outputS3URI", "validatedTime",
}  # fmt: skip
SKIP = {"skipPublish": True}
SECOND = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"


@pytest.fixture
def files(client, base, done):
    """The links of a finished run, and a client that knows no Ads header."""

    async def linked(**members) -> tuple[list[str], httpx.AsyncClient]:
        shown = await done(**members)
        path = f"{base}/workflowExecutions/{shown['workflowExecutionId']}/downloadUrls"
        bare = httpx.AsyncClient(transport=client._transport)
        return (await client.get(path)).json()["downloadUrls"], bare

    return linked


async def test_s1_6_pending_members_are_those_of_the_capture(run):
    shown = (await run(**WINDOW)).json()

    assert shown.keys() == PENDING
    assert list(shown) == sorted(shown)
    assert re.fullmatch(f"{SECOND}Z", shown["timeWindowStart"])
    assert re.fullmatch(SECOND, shown["timeWindowStartOriginal"])
    assert (shown["dataGaps"], shown["parameterValues"]) == ([], {})
    assert (shown["executionCategory"], shown["ignoreDataGaps"]) == ("AD_HOC", False)


async def test_s1_6_hidden_window_comes_after_pending(done, run):
    pending = (await run()).json()
    shown = await done()

    window = {name for name in PENDING if re.match("timeWindow(Start|End)", name)}
    assert pending.keys() == PENDING - window
    assert shown.keys() >= window


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        ("MOST_RECENT_DAY", "2026-09-18", "2026-09-19"),
        ("MOST_RECENT_WEEK", "2026-09-12", "2026-09-19"),
        ("CURRENT_MONTH", "2026-09-01", "2026-09-19"),
        ("PREVIOUS_MONTH", "2026-08-01", "2026-09-01"),
    ],
)
async def test_s1_6_window_edges_are_complete_whole_days(done, kind, start, end):
    shown = await done(timeWindowType=kind)

    assert shown["createTime"].startswith("2026-09-21")
    assert shown["timeWindowStart"] == f"{start}T00:00:00Z"
    assert shown["timeWindowEnd"] == f"{end}T00:00:00Z"


async def test_s1_6_succeeded_members_are_those_of_the_capture(done):
    shown = await done()

    assert shown.keys() == SUCCEEDED
    assert (shown["availableTimeBeforeWindowSecs"], shown["invalidationOffsetSecs"]) == (0, 266400)
    assert re.fullmatch(rf"{SECOND}\.\d\d\dZ", shown["validatedTime"])
    assert shown["executionTime"] == 60


async def test_s1_6_column_classes_are_those_of_the_capture(client, base, save, done):
    await save(
        sql="SELECT COUNT(DISTINCT user_id) AS u, SUM(impressions) AS i FROM dsp_impressions"
    )

    columns = (await done())["outputColumns"]

    shown = [(column["columnType"], column["dataType"]) for column in columns]
    assert shown == [("DIMENSION", "LONG"), ("METRIC", "LONG")]


async def test_s1_6_never_returned_members_are_not_there(done):
    names = {"rowCount", "sizeBytes", "progress", "executionId", "resultS3URI"}

    assert names.isdisjoint(await done())


@pytest.mark.parametrize(
    ("directive", "status"),
    [
        ("", "SUCCEEDED"),
        ('-- simulator: fail "x"', "FAILED"),
        ('-- simulator: reject "x"', "REJECTED"),
    ],
)
async def test_s1_6_statuses_are_amcs(save, done, directive, status):
    await save(sql=f"{SQL} {directive}")

    assert (await done())["status"] == status


async def test_s1_6_statuses_go_from_pending_over_running(client, base, run, later):
    made = (await run()).json()
    later(3)
    path = f"{base}/workflowExecutions/{made['workflowExecutionId']}"

    assert (made["status"], (await client.get(path)).json()["status"]) == ("PENDING", "RUNNING")


@pytest.mark.parametrize(("members", "word"), [({}, "PUBLISHING"), (SKIP, "RUNNING")])
async def test_s1_6_publishing_is_the_end_of_a_run_by_a_switch(
    client, base, run, later, members, word
):
    await client.put("/_simulator/switches", json={"publishing_seconds": 20})
    path = f"{base}/workflowExecutions/{(await run(**members)).json()['workflowExecutionId']}"
    seen = []
    # Validated after 2 s, run for 60 s: written out from the 42nd on.
    for seconds in (1, 40, 2, 18, 2):
        later(seconds)
        seen.append((await client.get(path)).json()["status"])

    assert seen == ["PENDING", "RUNNING", word, word, "SUCCEEDED"]


async def test_s1_6_publishing_can_be_cancelled_and_is_listed(client, base, run, later):
    await client.put("/_simulator/switches", json={"publishing_seconds": 20})
    path = f"{base}/workflowExecutions/{(await run()).json()['workflowExecutionId']}"
    later(50)
    (listed,) = (await client.get(f"{base}/workflowExecutions?workflowId=wf")).json()["executions"]
    links = await client.get(f"{path}/downloadUrls")
    cancelled = await client.put(path, json={"status": "CANCELLED"})

    assert listed["status"] == "PUBLISHING"
    assert listed["lastUpdatedTime"] > listed["createTime"]
    assert (links.status_code, cancelled.status_code) == (400, 200)
    assert (await client.get(path)).json()["status"] == "CANCELLED"


async def test_s1_6_publishing_does_not_come_before_a_failure(client, base, save, later):
    await client.put("/_simulator/switches", json={"publishing_seconds": 20})
    await save("fails", f'{SQL} -- simulator: fail "x"')
    body = {"workflowId": "fails"}
    made = (await client.post(f"{base}/workflowExecutions", json=body)).json()
    later(55)

    shown = await client.get(f"{base}/workflowExecutions/{made['workflowExecutionId']}")

    assert shown.json()["status"] == "RUNNING"


async def test_s1_6_output_channels_follow_the_execution_by_a_switch(client, base, run, later):
    path = f"{base}/workflowExecutions/{(await run()).json()['workflowExecutionId']}"
    skipped = f"{base}/workflowExecutions/{(await run(**SKIP)).json()['workflowExecutionId']}"
    without = (await client.get(path)).json()
    await client.put("/_simulator/switches", json={"output_channels": True})
    pending = (await client.get(path)).json()["outputChannels"]
    later(1000)
    done = (await client.get(path)).json()["outputChannels"]
    nothing = (await client.get(skipped)).json()["outputChannels"]

    assert "outputChannels" not in without
    assert [channel["channel"]["type"] for channel in done] == ["DOWNLOAD", "PUBLISH"]
    assert {channel["status"] for channel in pending} == {"PENDING"}
    assert {channel["status"] for channel in done} == {"AVAILABLE"}
    assert {channel["status"] for channel in nothing} == {"UNAVAILABLE"}
    assert all("statusReason" in channel for channel in nothing)


@pytest.mark.parametrize(
    ("word", "reason"), [("fail", "disk"), ("reject", "budget"), ("rows", None)]
)
async def test_s1_6_status_reason_is_on_failed_and_rejected(save, done, word, reason):
    await save(sql=f"{SQL} -- simulator: {word} {reason or 3}")

    assert (await done()).get("statusReason") == reason


async def test_s1_6_validation_comes_about_two_seconds_later(client, base, run, later):
    made = (await run()).json()
    path = f"{base}/workflowExecutions/{made['workflowExecutionId']}"
    later(1.5)
    before = (await client.get(path)).json()
    later(1)
    after = (await client.get(path)).json()

    assert "validatedTime" not in before
    assert after["validatedTime"] > made["createTime"]


async def test_s1_6_links_live_600_seconds(files, later):
    (url,), bare = await files()
    query = parse_qs(urlsplit(url).query)
    fresh = await bare.get(url)
    later(602)
    stale = await bare.get(url)

    assert query["X-Amz-Expires"] == ["600"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert (fresh.status_code, stale.status_code) == (200, 403)
    assert stale.headers["content-type"] == "application/xml"
    assert b"<Code>AccessDenied</Code>" in stale.content


async def test_s1_6_links_are_five_at_most(save, files):
    await save(sql=f"{SQL}\n-- simulator: rows 90\n-- simulator: parts 5")
    urls, bare = await files()

    tables = [(await bare.get(url)).text.splitlines() for url in urls]

    assert len(urls) == 5
    assert {table[0] for table in tables} == {"campaign,imps"}
    assert sum(len(table) - 1 for table in tables) == 90


async def test_s1_6_link_headers_of_the_ads_api_are_refused(files, client):
    (url,), _ = await files()

    assert (await client.get(url)).status_code == 400


async def test_s1_6_metadata_holds_the_sql(client, base, done):
    shown = await done()
    path = f"{base}/workflowExecutions/{shown['workflowExecutionId']}/downloadUrls"
    (url,) = (await client.get(path)).json()["metadataDownloadUrls"]

    assert SQL in (await httpx.AsyncClient(transport=client._transport).get(url)).json().values()


@pytest.mark.parametrize("status", [400, 404])
async def test_s1_6_unavailable_follows_its_switch(client, base, run, status):
    await client.put("/_simulator/switches", json={"unavailable_download_status": status})
    execution_id = (await run()).json()["workflowExecutionId"]

    answer = await client.get(f"{base}/workflowExecutions/{execution_id}/downloadUrls")

    text = f"Execution with ID {execution_id} is unavailable for download."
    assert answer.status_code == status
    assert answer.json() == {"code": str(status), "details": text}


async def test_s1_6_file_format_of_an_empty_result_is_a_header(save, files):
    await save(sql=f"{SQL} -- simulator: rows 0")
    (url,), bare = await files()

    assert (await bare.get(url)).text == "campaign,imps\n"


async def test_s1_6_file_format_has_amcs_dates_and_timestamps(save, files):
    sql = "SELECT impression_date AS d, impression_dt AS t, COUNT(*) AS n FROM dsp_impressions"
    await save(sql=f"{sql} GROUP BY 1, 2 -- simulator: rows 5")
    (url,), bare = await files()

    rows = list(csv.DictReader(io.StringIO((await bare.get(url)).text)))

    for row in rows:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d|", row["d"])
        assert re.fullmatch(rf"{SECOND}\.\d\d\d|", row["t"])


async def test_s1_6_delivery_key_names_workflow_and_day(done):
    shown = await done()

    day = shown["createTime"][:10]
    key = f"workflow=wf/schedule=adhoc/{day}-wf-ver1.csv"
    assert shown["outputS3URI"] == f"s3://amc-simnorthwind-us/{key}"
