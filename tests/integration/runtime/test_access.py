"""From a stored login to a token, or a request for a newer one."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.claims import Destination, Login
from shared.domain.errors import TokenExpired
from shared.domain.ids import (
    AmcInstanceId,
    CredentialId,
    EntityId,
    InstanceKey,
    MarketplaceId,
    new_uuid,
)
from shared.runtime.access import Access
from shared.security.keys import new_fernet_key
from shared.security.tokens import SealedTokenUnreadable, TokenContext, TokenKind, TokenVault

VAULT = TokenVault([new_fernet_key()], setting="ENCRYPTION_KEY")
CREDENTIAL = CredentialId(new_uuid())


@dataclass
class FakeLogins:
    """Who asked for a refresh."""

    asked: list[Login] = field(default_factory=list)

    async def request_refresh(self, login: Login) -> None:
        self.asked.append(login)


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
        await Access(logins, VAULT, None).token(destination)

    assert caught.value.wait == timedelta(seconds=1)
    assert logins.asked == [destination.login]


async def test_a_newer_version_of_a_token_takes_the_place_of_the_older(logins: FakeLogins) -> None:
    access = Access(logins, VAULT, None)
    await access.token(make_destination())

    newer = await access.token(make_destination("Atza|two", version=2))

    assert newer.reveal() == "Atza|two"


async def test_a_token_of_another_credential_is_refused(logins: FakeLogins) -> None:
    destination = make_destination(credential_id=CredentialId(new_uuid()))

    with pytest.raises(SealedTokenUnreadable):
        await Access(logins, VAULT, None).token(destination)


@pytest.mark.parametrize("simulator_url", [None, "http://127.0.0.1:8090"])
def test_amazon_and_the_simulator_differ_by_their_address_alone(simulator_url: str | None) -> None:
    target = Access(FakeLogins(), VAULT, simulator_url).target(make_destination())

    assert target.amc_instance_id == "amctest"
    assert (target.base_url == simulator_url) == (simulator_url is not None)
    assert "-eu." in target.base_url or simulator_url is not None
