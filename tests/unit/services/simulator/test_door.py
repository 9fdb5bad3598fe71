"""Sections 1.1 and 1.7: who is let in, and with which words the others are turned away."""

import pytest

REQUIRED = ["Amazon-Advertising-API-AdvertiserId", "Amazon-Advertising-API-MarketplaceId"]


async def test_a_token_opens_until_it_expires(amc):
    amc.clock.pass_(3599)
    assert (await amc.get("/workflows")).status_code == 200

    amc.clock.pass_(1)
    answer = await amc.get("/workflows")

    assert answer.status_code == 401
    assert answer.json()["details"] == "HTTP 401 Unauthorized"
    assert answer.json()["requestId"] == answer.headers["x-amz-rid"]


async def test_expired_tokens_can_be_answered_403_by_a_switch(amc):
    await amc.http.put("/_simulator/switches", json={"expired_token_status": 403})
    amc.clock.pass_(4000)

    assert (await amc.get("/workflows")).status_code == 403


@pytest.mark.parametrize("value", ["Bearer Atza|unknown", "Basic x", "", "Bearer"])
async def test_an_unknown_token_is_401(amc, value):
    assert (await amc.get("/workflows", headers={"Authorization": value})).status_code == 401


async def test_a_foreign_client_id_is_401(amc):
    answer = await amc.get("/workflows", headers={"Amazon-Advertising-API-ClientId": "other"})

    assert answer.status_code == 401


@pytest.mark.parametrize("name", REQUIRED)
async def test_account_headers_are_required(amc, name):
    del amc.http.headers[name]

    answer = await amc.get("/workflows")

    assert answer.status_code == 400
    assert answer.json()["details"].endswith("provided is null")


@pytest.mark.parametrize(
    ("name", "value"),
    [(REQUIRED[0], "ENTITY2SIMTEEHAUS"), (REQUIRED[0], "ENTITYX"), (REQUIRED[1], "A1PA6795UKMFR9")],
)
async def test_headers_of_another_account_are_403(amc, name, value):
    answer = await amc.get("/workflows", headers={name: value})

    assert answer.status_code == 403
    assert answer.json() == {"code": "403", "details": "Unauthorized request."}


async def test_an_unknown_instance_is_403(amc):
    amc.instance_id = "amcnobody"

    assert (await amc.get("/workflows")).json()["details"] == "Unauthorized request."


async def test_header_names_may_have_any_case(amc):
    upper = {name.upper(): value for name, value in amc.http.headers.items()}
    amc.http.headers.clear()

    assert (await amc.get("/workflows", headers=upper)).status_code == 200


async def test_answers_carry_amazons_request_ids(amc):
    answer = await amc.get("/workflows")

    assert answer.headers["x-amz-rid"] == answer.headers["x-amz-request-id"]
    assert len(answer.headers["x-amz-rid"]) == 20
    assert answer.headers["server"] == "Server"


async def test_accounts_need_no_account_headers(amc):
    for name in REQUIRED:
        del amc.http.headers[name]

    answer = await amc.http.get("/amc/accounts")

    assert [a["accountId"] for a in answer.json()["amcAccounts"]] == [
        "ENTITY1SIMNORTHWIND",
        "ENTITY2SIMTEEHAUS",
    ]


async def test_instances_are_those_of_the_account_in_the_headers(amc):
    answer = (await amc.http.get("/amc/instances")).json()

    assert [i["instanceId"] for i in answer["instances"]] == ["amcsimnwus1", "amcsimnwus2"]
    assert answer["nextToken"] is None


async def test_one_instance_comes_wrapped(amc):
    answer = (await amc.http.get("/amc/instances/amcsimnwus2")).json()

    assert answer["instance"]["instanceName"] == "Northwind US outlet"


async def test_the_rate_limit_refuses_what_is_too_much_in_one_second(amc):
    amc.pace = 1 / 16
    statuses = [(await amc.get("/workflows")).status_code for _ in range(17)]

    assert statuses == [200] * 10 + [429] * 6 + [200]


async def test_limits_are_per_instance(amc):
    amc.pace = 0
    first = [(await amc.get("/workflows")).status_code for _ in range(11)]
    amc.instance_id = "amcsimnwus2"

    assert first[-1] == 429
    assert (await amc.get("/workflows")).status_code == 200


async def test_a_429_of_the_details_kind_says_when_to_come_back(amc):
    amc.pace = 0
    answer = [await amc.get("/workflows") for _ in range(11)][-1]

    assert answer.json() == {"code": "429", "details": "Too Many Requests"}
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(("flavour", "start"), [("message", b'{"message"'), ("html", b"<html>")])
async def test_the_other_429_kinds_have_no_retry_after(amc, flavour, start):
    await amc.http.put("/_simulator/switches", json={"throttle_flavour": flavour})
    amc.pace = 0
    answer = [await amc.get("/workflows") for _ in range(11)][-1]

    assert answer.content.startswith(start)
    assert "retry-after" not in answer.headers


async def test_an_unknown_path_is_a_json_404(amc):
    answer = await amc.get("/nothing")

    assert answer.status_code == 404
    assert answer.json()["code"] == "404"
