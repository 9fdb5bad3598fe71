"""Section 1.5: requests to run a workflow, and what becomes of each of their members."""

import re

import pytest

from tests.unit.services.simulator.contract.conftest import ARRAY, PARAMETER, SQL, WINDOW


async def test_s1_5_one_of_two_names_what_runs(client, base, run):
    neither = await run(workflowId=None)
    both = await run(workflow={"sqlQuery": SQL})

    assert (neither.status_code, both.status_code) == (400, 400)


async def test_s1_5_ad_hoc_runs_get_a_transient_id_or_keep_theirs(client, base, unlimited):
    path = f"{base}/workflowExecutions"
    unnamed = (await client.post(path, json={"workflow": {"sqlQuery": SQL}})).json()
    workflow = {"sqlQuery": SQL, "workflowId": "own"}
    named = (await client.post(path, json={"workflow": workflow})).json()

    uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(f"transient_{uuid}", unnamed["workflowId"])
    assert re.fullmatch(uuid, unnamed["workflowExecutionId"])
    assert named["workflowId"] == "own"
    assert (await client.get(f"{base}/workflows")).json() == {"workflows": []}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *((kind, 200) for kind in ("ALL", "CURRENT_MONTH", "MOST_RECENT_DAY", "MOST_RECENT_WEEK")),
        *(("PREVIOUS_MONTH", 200), (None, 200), ("EXPLICIT", 400), ("LAST_WEEK", 400)),
    ],
)
async def test_s1_5_window_types_are_the_whole_enum(run, kind, status):
    assert (await run(timeWindowType=kind)).status_code == status


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"timeWindowEnd": None}, 400),
        ({"timeWindowStart": None}, 400),
        ({"timeWindowStart": "2026-08-01"}, 400),
        ({"timeWindowType": "ALL"}, 400),
        ({"timeWindowEnd": "2026-07-01T00:00:00"}, 400),
    ],
    ids=str,
)
async def test_s1_5_explicit_window_needs_both_ends(run, change, status):
    assert (await run(**{**WINDOW, **change})).status_code == status


@pytest.mark.parametrize(("choice", "status"), [("accept", 200), ("refuse", 400)])
async def test_s1_5_explicit_window_with_z_follows_its_switch(client, run, choice, status):
    await client.put("/_simulator/switches", json={"trailing_z": choice})

    answer = await run(**{**WINDOW, "timeWindowStart": "2026-08-01T00:00:00Z"})

    assert answer.status_code == status


async def test_s1_5_time_zone_decides_the_edges(done, run):
    zone = {"timeWindowTimeZone": "America/New_York"}
    explicit = (await run(**WINDOW, **zone)).json()
    day = await done(**zone)

    assert explicit["timeWindowStart"] == "2026-08-01T04:00:00Z"
    assert day["timeWindowStartOriginal"].endswith("T00:00:00")
    assert not day["timeWindowStart"].endswith("T00:00:00Z")
    assert (await run(timeWindowTimeZone="Moon/Crater")).status_code == 400


async def test_s1_5_parameter_values_are_echoed(client, base, save):
    parameters = [{"name": "p", "dataType": "STRING"}, {"name": "q", "dataType": ARRAY}]
    await save(sql=PARAMETER, inputParameters=parameters)
    values = {"p": "x", "q": ["a", "b"]}
    body = {"workflowId": "wf", "parameterValues": values}

    shown = (await client.post(f"{base}/workflowExecutions", json=body)).json()

    assert shown["parameterValues"] == values


async def test_s1_5_dry_run_is_complete_without_output(client, base, done):
    shown = await done(dryRun=True)

    path = f"{base}/workflowExecutions/{shown['workflowExecutionId']}/downloadUrls"
    assert (shown["status"], shown["executionTime"]) == ("SUCCEEDED", 0)
    assert (await client.get(path)).status_code == 400


async def test_s1_5_skip_publish_runs_without_results(client, base, done):
    shown = await done(skipPublish=True)

    path = f"{base}/workflowExecutions/{shown['workflowExecutionId']}/downloadUrls"
    assert (shown["status"], shown["executionTime"]) == ("SUCCEEDED", 60)
    assert shown["outputS3URI"] == "N/A"
    assert (await client.get(path)).status_code == 400


@pytest.mark.parametrize(("synthetic", "status"), [(None, "REJECTED"), (True, "SUCCEEDED")])
async def test_s1_5_synthetic_data_is_a_must_on_a_sandbox(client, done, synthetic, status):
    entry = {"instanceId": "amcsimnwus1", "accountId": "ENTITY1SIMNORTHWIND", "type": "SANDBOX"}
    await client.post("/_simulator/world", json={"instances": [entry]})

    shown = await done(requireSyntheticData=synthetic)

    assert shown["status"] == status
    assert ("statusReason" in shown) == (status == "REJECTED")


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(900, 200), (86_400, 200), ("86400", 200), (899, 400), (86_401, 400), ("soon", 400)],
)
async def test_s1_5_timeout_has_its_range(run, seconds, status):
    assert (await run(workflowExecutionTimeoutSeconds=seconds)).status_code == status


async def test_s1_5_timeout_is_21600_if_not_given_and_ends_in_failed(client, base, save, later):
    await save(sql=f"{SQL} -- simulator: duration 90000")
    path = f"{base}/workflowExecutions"
    made = (await client.post(path, json={"workflowId": "wf"})).json()
    later(2 + 21_600)

    shown = (await client.get(f"{path}/{made['workflowExecutionId']}")).json()

    assert made["workflowExecutionTimeoutSeconds"] == 21_600
    assert shown["status"] == "FAILED"
    assert "21600 seconds" in shown["statusReason"]


async def test_s1_5_max_certified_time_moves_the_named_windows_back(done, run):
    old = await done(maxCertifiedTime="2026-03-10T12:00:00")

    assert old["timeWindowStart"] == "2026-03-09T00:00:00Z"
    assert old["timeWindowEnd"] == "2026-03-10T00:00:00Z"
    assert (await run(maxCertifiedTime="yesterday")).status_code == 400
    assert (await run(maxDimensionTime="2026-03-10")).status_code == 400


async def test_s1_5_timeout_fails_a_run_that_takes_longer(client, base, save, later):
    await save("long", f"{SQL} -- simulator: duration 1000")
    body = {"workflowId": "long", **WINDOW}
    paths = []
    for seconds in (900, 1000):
        wanted = {**body, "workflowExecutionTimeoutSeconds": seconds}
        made = await client.post(f"{base}/workflowExecutions", json=wanted)
        paths.append(f"{base}/workflowExecutions/{made.json()['workflowExecutionId']}")

    later(2 + 899)
    early = (await client.get(paths[0])).json()["status"]
    later(101)
    short, enough = [(await client.get(path)).json() for path in paths]

    assert early == "RUNNING"
    assert (short["status"], enough["status"]) == ("FAILED", "SUCCEEDED")
    assert short["statusReason"] == "Workflow execution timed out after 900 seconds."
    assert short["lastUpdatedTime"] < enough["lastUpdatedTime"]


async def test_s1_5_aggregation_controls_are_echoed(run):
    assert (await run()).json()["disableAggregationControls"] is False
    shown = (await run(disableAggregationControls="true", requireSyntheticData=True)).json()

    assert shown["disableAggregationControls"] is True
    assert shown["requireSyntheticData"] is True


async def test_s1_5_advertisers_restrict_and_are_echoed(run):
    given = [{"id": "1", "type": "DISPLAY"}, {"id": "E", "type": "SAS", "marketplaceId": "X"}]

    assert (await run(advertisers=given)).json()["advertisers"] == given
    assert (await run(advertisers=[{"id": "1"}])).status_code == 400
    assert (await run(advertisers=[{"id": "1", "type": "TV"}])).status_code == 400


async def test_s1_5_accepted_extras_are_ignored_or_echoed(run):
    extras = {
        "ignoreDataGaps": "True",
        "useAsyncValidation": True,
        "outputFormat": "CSV",
        "outputS3URI": "s3://x/y",
        "executionId": "1",
        "sql": "SELECT 1",
        "additionalAcrResultsReceivers": ["1"],
    }
    shown = await run(**extras)

    assert shown.status_code == 200
    assert shown.json()["ignoreDataGaps"] is True
    assert "outputFormat" not in shown.json()


async def test_s1_5_put_is_partial_and_cancels(client, base, run):
    path = f"{base}/workflowExecutions/{(await run()).json()['workflowExecutionId']}"

    partial = await client.put(path, json={"disableAggregationControls": True})
    cancelled = await client.put(path, json={"status": "CANCELLED"})
    shown = (await client.get(path)).json()
    again = await client.put(path, json={"status": "CANCELLED"})

    assert [partial.json(), cancelled.json()] == [{}, {}]
    assert (shown["status"], shown["disableAggregationControls"]) == ("CANCELLED", True)
    assert again.status_code == 400


async def test_s1_5_put_can_leave_a_reason_by_a_switch(client, base, run):
    await client.put("/_simulator/switches", json={"cancelled_reason": True})
    path = f"{base}/workflowExecutions/{(await run()).json()['workflowExecutionId']}"
    await client.put(path, json={"status": "CANCELLED"})

    assert (await client.get(path)).json()["statusReason"]
