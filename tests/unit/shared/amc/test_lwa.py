"""Login with Amazon: grants, refusals that are final, and refusals that are not."""

from datetime import timedelta
from urllib.parse import parse_qs

import httpx
import pytest
from pydantic import SecretStr

from shared.amc.lwa import LoginClientRejected, LoginRequestRejected, LoginWithAmazon
from shared.amc.regions import Region, endpoints
from shared.amc.retry import Repeat
from shared.domain.errors import (
    AmcflowError,
    AmcThrottled,
    AmcUnavailable,
    CredentialRevoked,
)
from shared.security.secrets import RefreshToken
from tests.unit.shared.amc.build import FAR, NOW, Clock, FakeCallLog, player

TOKEN_URL = endpoints(Region.EU).token_url
GRANT = {
    "access_token": "Atza|new",
    "refresh_token": "Atzr|same",
    "token_type": "bearer",
    "expires_in": 3600,
}
SECRETS = ("Atzr|old", "client-secret", "Atza|new", "Atzr|same", "the-code")


def make_login(*answers: httpx.Response | Exception) -> tuple[LoginWithAmazon, FakeCallLog, list]:
    requests, log, clock = [], FakeCallLog(), Clock()
    login = LoginWithAmazon(
        httpx.AsyncClient(transport=httpx.MockTransport(player(answers, requests))),
        "client-id",
        SecretStr("client-secret"),
        call_log=log,
        repeat=Repeat(clock=clock, sleep=clock.sleep),
        now=lambda: NOW,
    )
    return login, log, requests


async def refresh(login: LoginWithAmazon):
    return await login.refresh(RefreshToken("Atzr|old"), token_url=TOKEN_URL, give_up_at=FAR)


async def test_a_refresh_sends_the_form_and_returns_both_tokens() -> None:
    login, log, requests = make_login(httpx.Response(200, json=GRANT))

    grant = await refresh(login)

    assert requests[0].url == "https://api.amazon.co.uk/auth/o2/token"
    assert parse_qs(requests[0].content.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["Atzr|old"],
        "client_id": ["client-id"],
        "client_secret": ["client-secret"],
    }
    assert grant.access_token.reveal() == "Atza|new"
    assert grant.refresh_token is not None
    assert grant.refresh_token.reveal() == "Atzr|same"
    assert grant.expires_at == NOW + timedelta(hours=1)
    assert (log.records[0].path, log.records[0].status) == ("/auth/o2/token", 200)


async def test_an_answer_without_a_refresh_token_keeps_the_old_one() -> None:
    login, _, _ = make_login(httpx.Response(200, json={"access_token": "Atza|new"}))

    grant = await refresh(login)

    assert grant.refresh_token is None


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [(60, 60), ("60", 60), (None, 3600), (-1, 3600), (True, 3600), (10**30, 86_400), ("x", 3600)],
)
async def test_an_odd_life_time_is_kept_within_reason(expires_in: object, seconds: int) -> None:
    login, _, _ = make_login(httpx.Response(200, json=GRANT | {"expires_in": expires_in}))

    grant = await refresh(login)

    assert grant.expires_at - NOW == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, "invalid_grant", CredentialRevoked),
        (401, "invalid_client", LoginClientRejected),
        (400, "invalid_client", LoginClientRejected),
        (400, "unauthorized_client", LoginClientRejected),
        (401, "something_else", LoginClientRejected),
        (400, "invalid_request", LoginRequestRejected),
        (400, "unsupported_grant_type", LoginRequestRejected),
        (400, "invalid_scope", LoginRequestRejected),
        (400, None, AmcUnavailable),
        (429, None, AmcThrottled),
        (429, "invalid_grant", AmcThrottled),
        (500, "server_error", AmcUnavailable),
        (302, None, AmcUnavailable),
    ],
)
async def test_each_refusal_says_who_must_act(
    status: int, error: str | None, expected: type[AmcflowError]
) -> None:
    body = {} if error is None else {"error": error, "error_description": "words"}
    login, log, _ = make_login(*[httpx.Response(status, json=body)] * 3)

    with pytest.raises(AmcflowError) as caught:
        await refresh(login)

    assert type(caught.value) is expected
    assert log.records[-1].error_code == expected.code


async def test_a_rejected_client_names_the_settings_to_correct() -> None:
    login, _, _ = make_login(httpx.Response(401, json={"error": "invalid_client"}))

    with pytest.raises(LoginClientRejected) as caught:
        await refresh(login)

    assert "AMAZON_CLIENT_ID" in caught.value.hint
    assert "AMAZON_CLIENT_SECRET" in caught.value.hint


async def test_a_broken_refresh_is_repeated() -> None:
    login, log, _ = make_login(
        httpx.ReadTimeout("slow"), httpx.Response(503), httpx.Response(200, json=GRANT)
    )

    await refresh(login)

    assert [record.status for record in log.records] == [None, 503, 200]


async def test_a_code_is_traded_once_and_never_repeated() -> None:
    login, _, requests = make_login(httpx.ReadTimeout("slow"))

    with pytest.raises(AmcUnavailable):
        await login.exchange_code("the-code", redirect_uri="https://x.test", token_url=TOKEN_URL)

    assert len(requests) == 1


@pytest.mark.parametrize("token", [None, "", 7, "two words", "new\nline"])
async def test_a_grant_without_a_usable_token_is_no_grant(token: object) -> None:
    answers = [httpx.Response(200, json=GRANT | {"access_token": token})] * 3
    login, _, _ = make_login(*answers)

    with pytest.raises(AmcUnavailable):
        await refresh(login)


async def test_no_secret_appears_in_errors_records_or_reprs() -> None:
    body = {
        "error": "invalid_grant",
        "error_description": "bad Atzr|old and client_secret=client-secret",
    }
    login, log, _ = make_login(httpx.Response(400, json=body), httpx.Response(200, json=GRANT))

    with pytest.raises(CredentialRevoked) as caught:
        await refresh(login)
    grant = await refresh(login)

    shown = f"{caught.value} {caught.value!r} {log.records} {grant} {login}"
    assert not [secret for secret in SECRETS if secret in shown]


def test_every_region_has_its_hosts_and_a_simulator_replaces_them_all() -> None:
    assert {endpoints(region).amc_base_url for region in Region} == {
        "https://advertising-api.amazon.com",
        "https://advertising-api-eu.amazon.com",
        "https://advertising-api-fe.amazon.com",
    }
    simulated = {endpoints(region, simulator_url="http://127.0.0.1:1/") for region in Region}
    assert [found.token_url for found in simulated] == ["http://127.0.0.1:1/auth/o2/token"]
