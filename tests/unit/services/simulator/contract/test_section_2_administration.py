"""Section 2 of the contract: accounts, instances, advertisers."""

import re

import pytest

NEW = {"instanceName": "Fresh Instance 1", "advertiserName": "Northwind", "awsAccountId": ""}


async def create(client, **members) -> dict:
    answer = await client.post("/amc/instances", json={**NEW, **members})
    assert answer.status_code == 200, answer.text
    return answer.json()["instance"]


async def test_s2_accounts_need_no_account_headers(client):
    for name in ("AdvertiserId", "MarketplaceId"):
        del client.headers[f"Amazon-Advertising-API-{name}"]

    answer = await client.get("/amc/accounts?nextToken=")

    assert set(answer.json()) == {"amcAccounts"}
    assert set(answer.json()["amcAccounts"][0]) == {"accountId", "accountName", "marketplaceId"}


async def test_s2_instances_end_with_a_null_next_token(client):
    first = (await client.get("/amc/instances?limit=1")).json()
    last = (await client.get(f"/amc/instances?limit=1&nextToken={first['nextToken']}")).json()

    assert (len(first["instances"]), len(last["instances"])) == (1, 1)
    assert "nextToken" in last
    assert last["nextToken"] is None


async def test_s2_instance_create_is_wrapped_and_moves_by_time(client, later):
    made = await create(client)
    path = f"/amc/instances/{made['instanceId']}"
    seen = [made["creationStatus"]]
    for seconds in (20, 100, 180):
        later(seconds)
        seen.append((await client.get(path)).json()["instance"]["creationStatus"])

    assert seen == ["REQUESTED", "SUBMITTED", "IN_PROGRESS", "COMPLETED"]
    assert re.fullmatch("amc[a-z0-9]{8}", made["instanceId"])


async def test_s2_instance_creation_is_over_within_300_seconds(client, later):
    made = await create(client)
    reporting = f"/amc/reporting/{made['instanceId']}/workflows"

    assert (await client.get(reporting)).status_code == 400
    later(300)
    assert (await client.get(reporting)).json() == {"workflows": []}


async def test_s2_instance_idempotency_token_is_good_for_ten_minutes(client, later):
    first = await create(client, idempotencyToken="t-1")
    again = await create(client, idempotencyToken="t-1")
    other = await create(client, idempotencyToken="t-2")
    later(600)
    late = await create(client, idempotencyToken="t-1")

    ids = [made["instanceId"] for made in (first, again, other, late)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"instanceName": "ab"},
        {"instanceName": "x" * 51},
        {"instanceName": "under_score"},
        {"instanceName": None},
        {"idempotencyToken": "x" * 37},
        {"awsAccountId": "12"},
        {"s3BucketName": "Not A Bucket"},
    ],
    ids=str,
)
async def test_s2_instance_create_limits_its_members(client, change):
    answer = await client.post("/amc/instances", json={**NEW, **change})

    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "details"}


async def test_s2_instance_get_and_put_are_wrapped(client):
    change = {"instanceName": "Renamed", "s3BucketName": "a-bucket", "awsAccountId": "123456789012"}
    put = await client.put("/amc/instances/amcsimnwus1", json=change)
    got = (await client.get("/amc/instances/amcsimnwus1")).json()["instance"]

    assert put.json() == {"instance": got}
    assert {key: got[key] for key in change} == change


async def test_s2_instance_delete_is_204_once_creation_has_finished(client, later):
    path = f"/amc/instances/{(await create(client))['instanceId']}"

    early = await client.delete(path)
    later(300)
    done = await client.delete(path)

    assert early.status_code == 400
    assert (done.status_code, done.content) == (204, b"")
    assert (await client.get(path)).status_code == 403


async def test_s2_instance_members_are_those_of_the_captures(client):
    (instance, *_) = (await client.get("/amc/instances")).json()["instances"]

    assert {
        "instanceId", "instanceName", "instanceType", "customerCanonicalName", "creationStatus",
        "creationDatetime", "s3BucketName", "s3BucketRegion", "awsAccountId",
        "dataUploadAwsAccountId", "apiEndpoint", "entities", "optionalDatasets", "advertiserTypes",
        "acrCollaboration",
    } == instance.keys()  # fmt: skip
    assert instance["acrCollaboration"] is None
    assert instance["advertiserTypes"] == ["DISPLAY", "SPONSORED_ADS"]
    assert instance["apiEndpoint"] == "https://advertising-api.amazon.com"
    assert instance["instanceType"] == "STANDARD"
    assert instance["entities"] == ["NA"]
    assert re.fullmatch("[0-9]{12}", instance["dataUploadAwsAccountId"])


async def test_s2_join_rule_account_pair_opens_its_instances(client):
    for account in (await client.get("/amc/accounts")).json()["amcAccounts"]:
        headers = {
            "Amazon-Advertising-API-AdvertiserId": account["accountId"],
            "Amazon-Advertising-API-MarketplaceId": account["marketplaceId"],
        }
        answer = await client.get("/amc/instances", headers=headers)
        for instance in answer.json()["instances"]:
            path = f"/amc/reporting/{instance['instanceId']}/workflows"
            assert (await client.get(path, headers=headers)).status_code == 200


ADVERTISERS = "/amc/instances/amcsimnwus1/advertisers"


async def test_s2_advertisers_are_counted_and_filtered_by_type(client):
    everyone = (await client.get(ADVERTISERS)).json()
    display = (await client.get(f"{ADVERTISERS}?type=DISPLAY&limit=1")).json()

    assert (everyone["totalCount"], everyone["nextToken"]) == (2, None)
    assert set(everyone["advertisers"][0]) == {
        "id", "name", "type", "marketplaceId", "configuredAdvertiserTypes",
    }  # fmt: skip
    assert [a["type"] for a in display["advertisers"]] == ["DISPLAY"]
    assert display["totalCount"] == 1


async def test_s2_advertiser_updates_move_by_time_and_take_effect(client, later):
    added = {"id": "ENTITYNEW1", "type": "SPONSORED_ADS", "marketplaceId": "ATVPDKIKX0DER"}
    body = {"advertisersToAdd": [added], "advertisersToRemove": []}
    made = (await client.post(f"{ADVERTISERS}/updates", json=body)).json()["advertiserUpdate"]
    later(10)
    updating = (await client.get(f"{ADVERTISERS}/updates/1")).json()["advertiserUpdate"]
    later(60)
    (listed,) = (await client.get(f"{ADVERTISERS}/updates")).json()["advertiserUpdates"]

    assert made == {**body, "status": "PENDING", "updateId": 1}
    assert updating["status"] == "UPDATING"
    assert listed == {"status": "COMPLETE", "updateId": 1}
    ids = {a["id"] for a in (await client.get(ADVERTISERS)).json()["advertisers"]}
    assert "ENTITYNEW1" in ids


async def test_s2_advertiser_updates_are_rejected_for_what_is_not_there(client, later):
    body = {"advertisersToRemove": [{"id": "1", "type": "DISPLAY"}]}
    await client.post(f"{ADVERTISERS}/updates", json=body)
    later(100)

    shown = (await client.get(f"{ADVERTISERS}/updates/1")).json()["advertiserUpdate"]

    assert shown["status"] == "REJECTED"
    assert (await client.get(ADVERTISERS)).json()["totalCount"] == 2


async def test_s2_advertiser_updates_take_ten_at_most(client):
    many = [{"id": str(number), "type": "DISPLAY"} for number in range(11)]

    answer = await client.post(f"{ADVERTISERS}/updates", json={"advertisersToAdd": many})

    assert answer.status_code == 400


async def test_s2_update_customer_aws_account_answers_a_template_url(client):
    body = {"awsAccountId": "123456789012", "bucketName": "My--bucket"}
    answer = await client.post("/amc/instances/amcsimnwus1/updateCustomerAwsAccount", json=body)
    got = (await client.get("/amc/instances/amcsimnwus1")).json()["instance"]

    assert answer.headers["content-type"] == "application/octet-stream"
    url = answer.json()["cfnBucketUrl"]
    assert url.startswith("https://console.aws.amazon.com/cloudformation/home?region=us-east-1#")
    assert url.endswith("param_pBucketName=My--bucket")
    assert (got["awsAccountId"], got["s3BucketName"]) == ("123456789012", "My--bucket")


async def test_s2_limits_are_4000_instances_an_account(client):
    entries = [{"instanceId": f"i{n}", "accountId": "ENTITY1SIMNORTHWIND"} for n in range(3998)]
    await client.post("/_simulator/world", json={"instances": entries})

    answer = await client.post("/amc/instances", json={"instanceName": "One more"})

    assert answer.status_code == 400
    assert "4000" in answer.json()["details"]


async def test_s2_limits_are_2000_advertisers_an_instance(client, later):
    path = "/amc/instances/amcsimnwus1/advertisers"
    for first in range(0, 2000, 10):
        added = [{"id": f"x{n}", "type": "DISPLAY"} for n in range(first, first + 10)]
        made = await client.post(f"{path}/updates", json={"advertisersToAdd": added})
        later(60)
    # Two were there from the beginning: the last ten were too many.
    shown = await client.get(f"{path}/updates/{made.json()['advertiserUpdate']['updateId']}")

    assert shown.json()["advertiserUpdate"]["status"] == "REJECTED"
    assert (await client.get(f"{path}?limit=1")).json()["totalCount"] == 1992


async def test_s2_errors_can_have_message_and_request_id_by_a_switch(client):
    await client.put("/_simulator/switches", json={"administration_errors": "message"})

    answer = await client.get("/amc/instances/nothing")

    rid = answer.headers["x-amz-rid"]
    assert answer.json() == {"message": "Unauthorized request.", "requestId": rid}
