"""Section 3 of the contract: consent, codes, PKCE, tokens, profiles."""

import base64
import hashlib
import re
from html import unescape
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from tests.unit.services.simulator.conftest import client_of

BACK = "https://app.example/callback?kept=1"
SCOPE = "advertising::campaign_management profile"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)


@pytest.fixture
def asked(simulator) -> dict[str, str]:
    return {
        "client_id": simulator.settings.client_id,
        "scope": SCOPE,
        "response_type": "code",
        "redirect_uri": BACK,
        "state": 'st&a"te',
    }


@pytest.fixture
def secret(simulator) -> dict[str, str]:
    return {
        "client_id": simulator.settings.client_id,
        "client_secret": simulator.settings.client_secret.get_secret_value(),
    }


async def press(http, asked: dict[str, str], decision: str = "allow"):
    """Opens the page, presses a button of its form, and gives the redirect's query."""
    page = await http.get("/ap/oa", params=asked)
    assert page.status_code == 200, page.text
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text)
    form = {name: unescape(value) for name, value in fields}
    answer = await http.post("/ap/oa", data={**form, "decision": decision})
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("https://app.example/callback?")
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


async def redeem(http, secret, code: str, **members):
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **secret}
    return await http.post("/auth/o2/token", data={**form, **members})


async def test_s3_authorize_redirects_with_code_scope_and_state(http, asked):
    back = await press(http, asked)

    assert back.keys() == {"kept", "code", "scope", "state"}
    assert (back["scope"], back["state"], back["kept"]) == (SCOPE, asked["state"], "1")


async def test_s3_authorize_refusal_goes_back_as_access_denied(http, asked):
    assert (await press(http, asked, "deny"))["error"] == "access_denied"


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "other"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "https://[x"},
    ],
    ids=str,
)
async def test_s3_authorize_never_redirects_where_it_may_not(http, asked, change):
    answer = await http.get("/ap/oa", params={**asked, **change})

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")


async def test_s3_authorize_redirect_uri_must_be_one_of_the_registered(make_simulator, asked):
    registered = make_simulator(redirect_uris="https://one.example/,https://two.example/")
    async with client_of(registered) as client:
        other = await client.get("/ap/oa", params=asked)
        known = await client.get("/ap/oa", params={**asked, "redirect_uri": "https://two.example/"})

    assert (other.status_code, known.status_code) == (400, 200)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"scope": "unknown"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": "x", "code_challenge_method": "plain"}, "invalid_request"),
    ],
    ids=str,
)
async def test_s3_authorize_errors_go_back_by_redirect(http, asked, change, error):
    answer = await http.get("/ap/oa", params={**asked, **change})

    assert answer.status_code == 302
    assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == [error]


async def test_s3_code_is_single_use(http, asked, secret):
    code = (await press(http, asked))["code"]

    first, second = await redeem(http, secret, code), await redeem(http, secret, code)

    assert first.status_code == 200
    assert second.json()["error"] == "invalid_grant"


async def test_s3_code_lives_five_minutes(http, asked, secret, clock):
    early, late = (await press(http, asked))["code"], (await press(http, asked))["code"]
    clock.pass_(299)
    in_time = await redeem(http, secret, early)
    clock.pass_(1)

    assert in_time.status_code == 200
    assert (await redeem(http, secret, late)).json()["error"] == "invalid_grant"


async def test_s3_code_needs_the_redirect_uri_of_its_consent(http, asked, secret):
    code = (await press(http, asked))["code"]

    answer = await redeem(http, secret, code, redirect_uri="https://app.example/other")

    assert answer.json()["error"] == "invalid_grant"


PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}


@pytest.mark.parametrize(
    ("verifier", "error"),
    [(VERIFIER, None), ("w" * 43, "invalid_grant"), ("", "invalid_request")],
)
async def test_s3_pkce_s256_is_checked_at_the_token_endpoint(http, asked, secret, verifier, error):
    code = (await press(http, {**asked, **PKCE}))["code"]

    answer = await redeem(http, secret, code, code_verifier=verifier)

    assert answer.json().get("error") == error


async def test_s3_token_answer_has_the_documented_members(http, secret):
    form = {"grant_type": "refresh_token", "refresh_token": "Atzr|sim-default", **secret}
    first = (await http.post("/auth/o2/token", data=form)).json()
    second = (await http.post("/auth/o2/token", json=form)).json()

    assert set(first) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (first["token_type"], first["expires_in"]) == ("bearer", 3600)
    assert first["access_token"].startswith("Atza|")
    assert len(first["access_token"]) <= 2048
    assert first["refresh_token"] == second["refresh_token"] == "Atzr|sim-default"
    assert first["access_token"] != second["access_token"]


async def test_s3_older_access_tokens_live_on_after_a_refresh(client, secret):
    form = {"grant_type": "refresh_token", "refresh_token": "Atzr|sim-default", **secret}
    await client.post("/auth/o2/token", data=form)

    assert (await client.get("/amc/accounts")).status_code == 200


ERRORS = {
    "revoked": (
        {"refresh_token": "Atzr|x"},
        400,
        "invalid_grant",
        "parameter : refresh_token",
    ),
    "client": ({"client_secret": "x"}, 401, "invalid_client", "Client authentication failed"),
    "missing": ({"refresh_token": ""}, 400, "invalid_request", "parameter : refresh_token"),
    "kind": ({"grant_type": "x"}, 400, "unsupported_grant_type", "not supported by the"),
}


@pytest.mark.parametrize(("change", "status", "error", "text"), ERRORS.values(), ids=ERRORS)
async def test_s3_token_errors_have_the_documented_bodies(
    http, secret, change, status, error, text
):
    form = {"grant_type": "refresh_token", "refresh_token": "Atzr|sim-default", **secret}
    answer = await http.post("/auth/o2/token", data={**form, **change})

    assert answer.status_code == status
    assert answer.json()["error"] == error
    assert text in answer.json()["error_description"]


async def access_token(http, asked, secret, scope: str) -> str:
    code = (await press(http, {**asked, "scope": scope}))["code"]
    return (await redeem(http, secret, code)).json()["access_token"]


async def test_s3_user_profile_takes_the_token_in_three_ways(http, asked, secret):
    token = await access_token(http, asked, secret, "profile")
    ways = [
        {"headers": {"Authorization": f"Bearer {token}"}},
        {"params": {"access_token": token}},
        {"headers": {"x-amz-access-token": token}},
    ]
    answers = [await http.get("/user/profile", **way) for way in ways]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json().keys() >= {"user_id", "name", "email"}
    assert answers[0].json()["user_id"].startswith("amzn1.account.")


async def test_s3_user_profile_needs_the_scope_profile(http, asked, secret):
    token = await access_token(http, asked, secret, "advertising::campaign_management")

    refused = await http.get("/user/profile", params={"access_token": token})
    await http.put("/_simulator/switches", json={"profile_without_scope": "answer"})
    answered = await http.get("/user/profile", params={"access_token": token})

    assert (refused.status_code, answered.status_code) == (403, 200)
    assert (await http.get("/user/profile?access_token=x")).json()["error"] == "invalid_token"
    assert (await http.get("/user/profile")).json()["error"] == "invalid_request"


async def test_s3_scope_campaign_management_is_needed_for_amc(http, asked, secret):
    headers = {
        "Authorization": f"Bearer {await access_token(http, asked, secret, 'profile')}",
        "Amazon-Advertising-API-ClientId": secret["client_id"],
    }

    assert (await http.get("/amc/accounts", headers=headers)).status_code == 403


@pytest.mark.parametrize("one", [False, True])
async def test_s3_token_answer_leaves_older_access_tokens_alive_but_by_a_switch(client, one):
    await client.put("/_simulator/switches", json={"one_access_token": one})
    form = {
        "grant_type": "refresh_token",
        "refresh_token": "Atzr|sim-default",
        "client_id": client.headers["Amazon-Advertising-API-ClientId"],
        "client_secret": "simulator-client-secret-not-a-real-one",
    }
    tokens = [
        (await client.post("/auth/o2/token", data=form)).json()["access_token"] for _ in range(2)
    ]

    statuses = [
        (await client.get("/amc/accounts", headers={"Authorization": f"Bearer {t}"})).status_code
        for t in tokens
    ]

    assert all(len(token) <= 2048 for token in tokens)
    assert statuses == [401 if one else 200, 200]


async def test_s3_profiles_are_a_bare_array(client):
    shown = (await client.get("/v2/profiles?apiProgram=campaign&accessLevel=edit")).json()
    none = (await client.get("/v2/profiles?profileTypeFilter=vendor,agency")).json()

    assert [profile["countryCode"] for profile in shown] == ["US", "DE"]
    assert set(shown[0]) == {
        "profileId", "countryCode", "currencyCode", "timezone", "accountInfo",
    }  # fmt: skip
    assert isinstance(shown[0]["profileId"], int)
    assert shown[0]["accountInfo"].keys() >= {"marketplaceStringId", "id", "type", "name"}
    assert none == []


@pytest.mark.parametrize(
    ("host", "countries"),
    [
        ("advertising-api.amazon.com", ["US"]),
        ("advertising-api-eu.amazon.com", ["DE"]),
        ("advertising-api-fe.amazon.com", []),
        ("127.0.0.1:8090", ["US", "DE"]),
    ],
)
async def test_s3_profiles_are_those_of_the_hosts_region(client, host, countries):
    shown = (await client.get("/v2/profiles", headers={"Host": host})).json()

    assert [profile["countryCode"] for profile in shown] == countries


async def test_s3_profile_account_id_is_not_the_amc_account_id(client):
    profiles = (await client.get("/v2/profiles")).json()
    accounts = (await client.get("/amc/accounts")).json()["amcAccounts"]

    ids = {profile["accountInfo"]["id"] for profile in profiles}
    assert ids.isdisjoint(account["accountId"] for account in accounts)
