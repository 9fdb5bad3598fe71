"""From a stored login to a token, or a request for a newer one."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.claims import Destination, Login
from shared.domain.errors import AmcThrottled, TokenExpired
from shared.domain.ids import (
    AmcInstanceId,
    CredentialId,
    EntityId,
    InstanceKey,
    MarketplaceId,
    new_uuid,
)
from shared.runtime.access import Access
from shared.runtime.reach import Reach
from shared.security.keys import new_fernet_key
from shared.security.tokens import TokenContext, TokenKind, TokenVault

VAULT = TokenVault([new_fernet_key()], setting="ENCRYPTION_KEY")
CREDENTIAL = CredentialId(new_uuid())


@dataclass
class FakeLogins:
    """Who asked for a refresh."""

    asked: list[Login] = field(default_factory=list)

    async def request_refresh(self, login: Login) -> None:
        self.asked.append(login)


@dataclass
class FakeBudget:
    """Which instances were paused, and for how long."""

    pauses: list[tuple[InstanceKey, timedelta]] = field(default_factory=list)

    async def pause(self, instance: InstanceKey, wait: timedelta) -> None:
        self.pauses.append((instance, wait))


def make_destination(token: str = "Atza|one", **overrides: Any) -> Destination:
    sealed = VAULT.seal(TokenContext(CREDENTIAL, TokenKind.ACCESS), token)
    values = {
        "credential_id": CREDENTIAL,
        "ciphertext": sealed.ciphertext,
        "key_id": sealed.key_id,
        "expires_at": datetime.now(UTC) + timedelta(hours=1),
        "version": 1,
        **overrides,
    }
    return Destination(
        InstanceKey(7),
        AmcInstanceId("amctest"),
        EntityId("ENTITY"),
        MarketplaceId("MARKET"),
        "EU",
        Login(**values),
    )


@pytest.fixture
def logins() -> FakeLogins:
    return FakeLogins()


async def test_a_stored_token_is_opened(logins: FakeLogins) -> None:
    token = await Access(logins, VAULT, None).token(make_destination())

    assert token.reveal() == "Atza|one"
    assert logins.asked == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"ciphertext": None, "key_id": None, "expires_at": None},
        {"expires_at": datetime.now(UTC) - timedelta(seconds=1)},
        {"expires_at": datetime.now(UTC) + timedelta(milliseconds=500)},
    ],
    ids=["missing", "expired", "about to expire"],
)
async def test_without_a_token_to_use_a_refresh_is_asked_for(
    logins: FakeLogins, wrong: dict[str, Any]
) -> None:
    destination = make_destination(**wrong)

    with pytest.raises(TokenExpired) as caught:
        async with Reach(Access(logins, VAULT, None), FakeBudget()).to(destination):
            pytest.fail("there was no token to reach AMC with")

    assert caught.value.wait == timedelta(seconds=1)
    assert logins.asked == [destination.login]


async def test_a_newer_version_of_a_token_takes_the_place_of_the_older(logins: FakeLogins) -> None:
    access = Access(logins, VAULT, None)
    await access.token(make_destination())

    newer = await access.token(make_destination("Atza|two", version=2))

    assert newer.reveal() == "Atza|two"


async def test_a_token_that_our_keys_do_not_open_is_asked_for_anew(logins: FakeLogins) -> None:
    destination = make_destination(credential_id=CredentialId(new_uuid()))

    with pytest.raises(TokenExpired) as caught:
        async with Reach(Access(logins, VAULT, None), FakeBudget()).to(destination):
            pytest.fail("a token of another credential was opened")

    assert "Put the key it was sealed with back" in caught.value.message
    assert logins.asked == [destination.login]


@pytest.mark.parametrize("asked", [timedelta(seconds=7), None], ids=["said", "not said"])
async def test_a_429_pauses_the_instance_for_everybody(
    logins: FakeLogins, asked: timedelta | None
) -> None:
    budget = FakeBudget()

    with pytest.raises(AmcThrottled) as caught:
        async with Reach(Access(logins, VAULT, None), budget).to(make_destination()):
            raise AmcThrottled("Too Many Requests", wait=asked)

    assert budget.pauses == [(InstanceKey(7), caught.value.wait)]
    assert caught.value.wait == asked or asked is None


async def test_a_token_that_amc_refuses_is_reported(logins: FakeLogins) -> None:
    destination = make_destination()

    with pytest.raises(TokenExpired):
        async with Reach(Access(logins, VAULT, None), FakeBudget()).to(destination):
            raise TokenExpired("401")

    assert logins.asked == [destination.login]


@pytest.mark.parametrize("simulator_url", [None, "http://127.0.0.1:8090"])
def test_amazon_and_the_simulator_differ_by_their_address_alone(simulator_url: str | None) -> None:
    target = Access(FakeLogins(), VAULT, simulator_url).target(make_destination())

    assert target.amc_instance_id == "amctest"
    assert (target.base_url == simulator_url) == (simulator_url is not None)
    assert "-eu." in target.base_url or simulator_url is not None
