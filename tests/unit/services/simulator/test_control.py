"""What is ours: switches, faults, world, counters, journal."""

import json

import pytest

from services.simulator.distribution import seeded
from services.simulator.faults import FaultRule, Faults

INSTANCE = "amcsimnwus1"


async def fault(amc, name: str, **rule) -> None:
    answer = await amc.http.post("/_simulator/faults", json={"fault": name, **rule})
    assert answer.status_code == 200, answer.text


async def stats(amc) -> dict:
    return (await amc.http.get("/_simulator/stats")).json()["instances"][INSTANCE]


async def test_switches_keep_what_a_change_does_not_name(amc):
    before = (await amc.http.get("/_simulator/switches")).json()
    after = (await amc.http.put("/_simulator/switches", json={"retry_after": "9"})).json()

    assert after == {**before, "retry_after": "9"}


@pytest.mark.parametrize("body", [{"unknown": 1}, {"requests_per_second": 0}, {"retry_after": []}])
async def test_a_bad_switch_changes_nothing(amc, body):
    before = (await amc.http.get("/_simulator/switches")).json()

    assert (await amc.http.put("/_simulator/switches", json=body)).status_code == 400

    assert (await amc.http.get("/_simulator/switches")).json() == before


async def test_instances_can_be_added_while_it_runs(amc):
    world = {
        "accounts": [{"accountId": "ENTITYNEW", "marketplaceId": "A1F83G8C2ARO7P"}],
        "instances": [{"instanceId": f"amcnew{n}", "accountId": "ENTITYNEW"} for n in range(58)],
    }
    assert (await amc.http.post("/_simulator/world", json=world)).status_code == 200

    headers = {
        "Amazon-Advertising-API-AdvertiserId": "ENTITYNEW",
        "Amazon-Advertising-API-MarketplaceId": "A1F83G8C2ARO7P",
    }
    page = (await amc.http.get("/amc/instances?limit=50", headers=headers)).json()
    rest = await amc.http.get(
        f"/amc/instances?limit=50&nextToken={page['nextToken']}", headers=headers
    )
    assert len(page["instances"]) + len(rest.json()["instances"]) == 58


@pytest.mark.parametrize(
    "instance",
    [
        {"instanceId": "amcx", "accountId": "NOBODY"},
        {"instanceId": INSTANCE, "accountId": "ENTITY2SIMTEEHAUS"},
        {"instanceId": "a/b", "accountId": "ENTITY2SIMTEEHAUS"},
    ],
)
async def test_an_impossible_instance_is_refused_and_nothing_is_added(amc, instance):
    before = (await amc.http.get("/_simulator/world")).json()

    answer = await amc.http.post("/_simulator/world", json={"instances": [instance]})

    assert answer.status_code == 400
    assert (await amc.http.get("/_simulator/world")).json() == before


async def test_an_instance_can_get_limits_of_its_own(amc):
    entry = {"instanceId": INSTANCE, "accountId": "ENTITY1SIMNORTHWIND", "requestsPerSecond": 2}
    await amc.http.post("/_simulator/world", json={"instances": [entry]})
    amc.pace = 0

    assert [(await amc.get("/workflows")).status_code for _ in range(3)] == [200, 200, 429]


async def test_the_counters_tell_what_happened(amc):
    amc.pace = 0
    await amc.save()
    execution_id = (await amc.run()).json()["workflowExecutionId"]
    await amc.call("PUT", f"/workflowExecutions/{execution_id}", {"status": "CANCELLED"})
    for _ in range(9):
        await amc.get("/workflows")

    seen = await stats(amc)
    assert seen["requests"] == 12
    assert seen["by_status"] == {"200": 10, "429": 2}
    assert seen["throttled"]["rate"] == 2
    assert (seen["peak_arrived_per_second"], seen["peak_accepted_per_second"]) == (12, 10)
    assert (seen["workflows_created"], seen["executions_created"]) == (1, 1)
    assert (seen["executions_cancelled"], seen["finished"]) == (1, {"CANCELLED": 1})
    assert (seen["peak_active"], seen["active_now"]) == (1, 0)


async def test_reset_keeps_what_is_there_and_forgets_what_was(amc):
    await amc.started()

    await amc.http.post("/_simulator/reset-stats")

    seen = await stats(amc)
    assert (seen["requests"], seen["peak_arrived_per_second"]) == (0, 0)
    assert (seen["peak_active"], seen["active_now"]) == (1, 1)


async def test_account_peaks_count_over_instances(amc):
    await amc.started()
    amc.instance_id = "amcsimnwus2"
    await amc.started()

    seen = (await amc.http.get("/_simulator/stats")).json()["accounts"]["ENTITY1SIMNORTHWIND"]
    assert (seen["peak_active"], seen["active_now"]) == (2, 2)


async def test_the_journal_has_every_request_and_no_secret(amc):
    execution_id = await amc.started()
    await amc.finished(execution_id)
    answer = (await amc.get(f"/workflowExecutions/{execution_id}/downloadUrls")).json()
    await amc.http.get(answer["downloadUrls"][0])

    text = (await amc.http.get("/_simulator/journal?after=0")).text

    entries = json.loads(text)["entries"]
    assert [e["status"] for e in entries] == [200, 200, 200, 200, 400]
    assert entries[1]["instance_id"] == INSTANCE
    assert "Atza|" not in text
    assert "X-Amz-Signature" not in text
    later = (await amc.http.get(f"/_simulator/journal?after={entries[2]['seq']}&limit=1")).json()
    assert later["entries"] == entries[3:4]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *(("429", 429), ("429-message", 429), ("429-html", 429), ("403", 403)),
        *(("500", 500), ("502", 502), ("503", 503), ("504", 504)),
    ],
)
async def test_an_error_fault_answers_without_doing_anything(amc, name, status):
    await fault(amc, name, match={"method": "POST"})

    assert (await amc.save()).status_code == status
    assert (await amc.get("/workflows")).json() == {"workflows": []}
    assert (await amc.save()).status_code == 200


async def test_forced_429s_are_counted_apart(amc):
    await fault(amc, "429", count=2)
    await amc.get("/workflows")
    await amc.get("/workflows")

    assert (await stats(amc))["throttled"] == {"rate": 0, "concurrency": 0, "forced": 2}


async def test_an_expire_token_fault_ends_the_token_of_the_request(amc):
    await fault(amc, "expire-token")

    assert (await amc.get("/workflows")).status_code == 401
    amc.log_in()
    assert (await amc.get("/workflows")).status_code == 200


async def test_a_revoke_fault_ends_the_grant_at_an_amc_call(amc):
    await fault(amc, "revoke")

    assert (await amc.get("/workflows")).status_code == 401
    assert amc.simulator.tokens.grant("Atzr|sim-default") is None


async def test_a_revoke_fault_ends_the_grant_at_the_token_endpoint(amc):
    await fault(amc, "revoke", match={"path_regex": "^/auth/"})
    settings = amc.simulator.settings
    form = {
        "grant_type": "refresh_token",
        "refresh_token": "Atzr|sim-default",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret.get_secret_value(),
    }

    answer = await amc.http.post("/auth/o2/token", data=form)

    assert answer.json()["error"] == "invalid_grant"


async def test_spoiled_bodies_keep_their_status(amc):
    await fault(amc, "malformed-json")
    await fault(amc, "empty-body")

    malformed, empty = await amc.get("/workflows"), await amc.get("/workflows")

    assert (malformed.status_code, empty.status_code) == (200, 200)
    with pytest.raises(json.JSONDecodeError):
        malformed.json()
    assert empty.content == b""


async def test_a_late_create_is_answered_504_and_happens_later(amc):
    await amc.save()
    await fault(amc, "late-create:5", match={"path_regex": "workflowExecutions$"})

    assert (await amc.run()).json() == {"message": "Endpoint request timed out"}

    path = "/workflowExecutions?workflowId=wf"
    assert (await amc.get(path)).json()["executions"] == []
    amc.clock.pass_(5)
    (shown,) = (await amc.get(path)).json()["executions"]
    assert shown["status"] == "PENDING"
    assert (await stats(amc))["executions_created"] == 1


async def test_a_late_create_that_amc_would_refuse_makes_nothing(amc):
    await amc.save()
    await fault(amc, "late-create:1", match={"method": "POST"})
    await amc.run(workflowId="unknown")

    amc.clock.pass_(10)

    assert (await stats(amc))["executions_created"] == 0


async def test_faults_can_be_listed_and_cleared(amc):
    await fault(amc, "500", count=None, match={"instance_id": INSTANCE})

    (listed,) = (await amc.http.get("/_simulator/faults")).json()["faults"]
    await amc.http.delete("/_simulator/faults")

    assert (listed["fault"], listed["left"], listed["struck"]) == ("500", None, 0)
    assert (await amc.get("/workflows")).status_code == 200


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "burn"},
        {"fault": "slow"},
        {"fault": "slow:x"},
        {"fault": "500:3"},
        {"fault": "500", "match": {"path_regex": "("}},
        {"fault": "500", "probability": 2},
        {"fault": "500", "count": 0},
        [],
    ],
    ids=str,
)
async def test_a_bad_fault_is_refused(amc, rule):
    assert (await amc.http.post("/_simulator/faults", json=rule)).status_code == 400


def test_a_rule_strikes_only_what_it_matches_and_only_so_often():
    faults = Faults(seeded(1))
    rule = {"match": {"method": "get", "path_regex": "/x", "instance_id": "a"}, "fault": "500"}
    faults.add(FaultRule.model_validate({**rule, "count": 2}))

    misses = [("POST", "/x", "a"), ("GET", "/y", "a"), ("GET", "/x", "b"), ("GET", "/x", None)]
    assert [faults.take(*miss) for miss in misses] == [None] * 4
    assert [faults.take("GET", "/x/1", "a") is not None for _ in range(3)] == [True, True, False]


def test_chance_is_the_same_for_the_same_seed():
    def strikes(seed: int) -> list[bool]:
        faults = Faults(seeded(seed))
        faults.add(FaultRule(fault="500", count=None, probability=0.3))
        return [faults.take("GET", "/", None) is not None for _ in range(200)]

    assert strikes(1) == strikes(1) != strikes(2)
    assert 30 < sum(strikes(1)) < 90


async def test_the_clock_tells_time_and_scale(amc):
    answer = (await amc.http.get("/_simulator/clock")).json()

    assert answer["epoch_seconds"] == amc.clock.at
    assert answer["time_scale"] == 1.0
    assert (await amc.http.get("/_simulator/health")).json() == {"status": "ok"}
