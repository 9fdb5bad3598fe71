"""Section 3 of the contract: the token endpoint and what its tokens open."""

import json

import httpx
import pytest

from services.simulator.simulator import Simulator

DENIED = " User may have revoked or didn't grant the permission."


@pytest.fixture
def form(simulator: Simulator) -> dict[str, str]:
    return {
        "grant_type": "refresh_token",
        "refresh_token": "Atzr|sim-default",
        "client_id": simulator.settings.client_id,
        "client_secret": simulator.settings.client_secret.get_secret_value(),
    }


async def post(http: httpx.AsyncClient, form: dict[str, str]) -> httpx.Response:
    return await http.post("/auth/o2/token", data=form)


async def test_a_refresh_answers_a_new_access_token_and_the_same_refresh_token(http, form):
    first, second = (await post(http, form)).json(), (await post(http, form)).json()

    assert first["access_token"].startswith("Atza|")
    assert first["access_token"] != second["access_token"]
    assert first["refresh_token"] == form["refresh_token"]
    assert (first["token_type"], first["expires_in"]) == ("bearer", 3600)


async def test_a_json_body_works_too(http, form):
    answer = await http.post("/auth/o2/token", json=form)

    assert answer.status_code == 200


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_a_json_body_is_read_whatever_its_content_type_says(http, form, kind):
    headers = {} if kind is None else {"Content-Type": kind}

    answer = await http.post("/auth/o2/token", content=json.dumps(form), headers=headers)

    assert answer.status_code == 200


async def test_the_client_may_log_in_by_http_basic_unless_a_switch_forbids_it(http, form):
    login = (form.pop("client_id"), form.pop("client_secret"))
    taken = await http.post("/auth/o2/token", data=form, auth=login)
    wrong = await http.post("/auth/o2/token", data=form, auth=(login[0], "wrong"))
    await http.put("/_simulator/switches", json={"basic_client_login": False})
    refused = await http.post("/auth/o2/token", data=form, auth=login)

    assert (taken.status_code, wrong.status_code, refused.status_code) == (200, 401, 400)


@pytest.mark.parametrize("header", ["Basic", "Basic !!", "Basic /w==", "Basic Og==", "basic eA"])
async def test_a_basic_header_that_says_nothing_counts_as_none(http, form, header):
    del form["client_id"]

    answer = await http.post("/auth/o2/token", data=form, headers={"Authorization": header})

    assert answer.json()["error_description"].endswith(": client_id")


async def test_a_secret_that_is_no_text_is_a_wrong_one(http, form):
    content = json.dumps({**form, "client_secret": "\ud800"})

    answer = await http.post("/auth/o2/token", content=content)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_an_authorization_code_works_once(http, form):
    code = (await http.post("/_simulator/authorization-codes")).json()["code"]
    body = {**form, "grant_type": "authorization_code", "code": code, "redirect_uri": "https://x/"}

    first, second = await post(http, body), await post(http, body)

    assert first.json()["refresh_token"].startswith("Atzr|")
    assert second.status_code == 400
    assert second.json()["error_description"].startswith(
        "The request has an invalid grant parameter : code."
    )
    fresh = {**form, "refresh_token": first.json()["refresh_token"]}
    assert (await post(http, fresh)).status_code == 200


async def test_an_authorization_code_dies_after_five_minutes(http, form, clock):
    code = (await http.post("/_simulator/authorization-codes")).json()["code"]
    clock.pass_(300)

    body = {**form, "grant_type": "authorization_code", "code": code, "redirect_uri": "https://x/"}
    assert (await post(http, body)).json()["error"] == "invalid_grant"


ERRORS = [
    (
        {"refresh_token": "Atzr|unknown"},
        400,
        "invalid_grant",
        "The request has an invalid grant parameter : refresh_token." + DENIED,
    ),
    ({"client_secret": "wrong"}, 401, "invalid_client", "Client authentication failed"),
    ({"client_id": "wrong"}, 401, "invalid_client", "Client authentication failed"),
    (
        {"refresh_token": ""},
        400,
        "invalid_request",
        "The request is missing a required parameter : refresh_token",
    ),
    (
        {"grant_type": ""},
        400,
        "invalid_request",
        "The request is missing a required parameter : grant_type",
    ),
    (
        {"grant_type": "password"},
        400,
        "unsupported_grant_type",
        "The authorization grant type is not supported by the authorization server",
    ),
]


@pytest.mark.parametrize(("change", "status", "error", "description"), ERRORS)
async def test_errors_have_oauth_bodies(http, form, change, status, error, description):
    answer = await post(http, {**form, **change})

    assert answer.status_code == status
    assert (answer.json()["error"], answer.json()["error_description"]) == (error, description)


async def test_a_body_that_is_no_form_is_refused_without_a_traceback(http):
    headers = {"content-type": "application/json"}
    answer = await http.post("/auth/o2/token", content=b"\xff{", headers=headers)

    assert answer.json()["error"] == "invalid_request"


async def test_rotation_makes_the_old_refresh_token_worthless(http, form):
    await http.put("/_simulator/switches", json={"rotate_refresh_tokens": True})

    rotated = (await post(http, form)).json()["refresh_token"]

    assert rotated != form["refresh_token"]
    assert (await post(http, form)).json()["error"] == "invalid_grant"
    assert (await post(http, {**form, "refresh_token": rotated})).status_code == 200


async def test_a_registered_token_opens_only_its_accounts(http, form):
    token = "Atzr|sim-only-teehaus"
    body = {"refresh_token": token, "account_ids": ["ENTITY2SIMTEEHAUS"]}
    await http.post("/_simulator/refresh-tokens", json=body)
    access = (await post(http, {**form, "refresh_token": token})).json()["access_token"]

    headers = {
        "Authorization": f"Bearer {access}",
        "Amazon-Advertising-API-ClientId": form["client_id"],
    }
    accounts = (await http.get("/amc/accounts", headers=headers)).json()["amcAccounts"]
    foreign = await http.get(
        "/amc/instances",
        headers={
            **headers,
            "Amazon-Advertising-API-AdvertiserId": "ENTITY1SIMNORTHWIND",
            "Amazon-Advertising-API-MarketplaceId": "ATVPDKIKX0DER",
        },
    )

    assert [account["accountId"] for account in accounts] == ["ENTITY2SIMTEEHAUS"]
    assert foreign.status_code == 403


@pytest.mark.parametrize("token", ["plain", "Atzr|other", "Atzr|sim-"])
async def test_only_tokens_that_say_they_are_ours_can_be_registered(http, token):
    answer = await http.post("/_simulator/refresh-tokens", json={"refresh_token": token})

    assert answer.status_code == 400


async def test_a_revoked_grant_gives_no_tokens_and_kills_those_it_gave(amc, form):
    await amc.http.post("/_simulator/revoke", json={"refresh_token": form["refresh_token"]})

    assert (await post(amc.http, form)).json()["error"] == "invalid_grant"
    assert (await amc.get("/workflows")).status_code == 401


async def test_refreshes_and_refusals_are_counted(http, form):
    await post(http, form)
    await post(http, {**form, "refresh_token": "Atzr|no"})

    stats = (await http.get("/_simulator/stats")).json()
    assert (stats["token_refreshes"], stats["token_requests_refused"]) == (1, 1)
