"""One RefreshCredential command: the tokens are renewed, or it is said why not."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.token_refresher.handler import Keys, RefreshHandler
from shared.amc.lwa import LoginClientRejected, TokenGrant
from shared.db.pool import Database
from shared.db.tokens import Logins, Refreshes
from shared.domain.claims import Login
from shared.domain.errors import (
    AmcflowError,
    AmcUnavailable,
    CredentialRevoked,
    DatabaseUnavailable,
    StaleTransition,
)
from shared.domain.ids import CredentialId
from shared.messaging.messages import RefreshCredential
from shared.security.keys import StackKeys, new_fernet_key, new_stack_keys
from shared.security.sealing import SealingPrivateKey, SealingPublicKey
from shared.security.secrets import AccessToken, RefreshToken
from shared.security.tokens import TokenContext, TokenKind, TokenVault
from tests.integration.builders import (
    commands,
    in_state,
    make_account,
    make_credential,
    make_execution,
    make_instance,
    make_workflow,
    timer_in,
)
from tests.integration.workers.bench import Flaky


@dataclass
class FakeLogin:
    """Amazon's token endpoint: grants, unless it is told to fail first."""

    errors: list[AmcflowError] = field(default_factory=list)
    gives_refresh_token: str | None = None
    lives: timedelta = timedelta(hours=1)
    asked: list[tuple[str, str]] = field(default_factory=list)
    on_asked: Any = None

    async def refresh(
        self, refresh_token: RefreshToken, *, token_url: str, give_up_at: float
    ) -> TokenGrant:
        self.asked.append((refresh_token.reveal(), token_url))
        if self.on_asked is not None:
            await self.on_asked()
        if self.errors:
            raise self.errors.pop(0)
        expires_at = datetime.now(UTC) + self.lives
        given = self.gives_refresh_token
        return TokenGrant(
            AccessToken("Atza|new", expires_at=expires_at),
            RefreshToken(given) if given else None,
            expires_at,
        )


@dataclass
class Bench:
    """One credential, as `api` sealed it."""

    database: Database
    stack: StackKeys
    credential: UUID
    login: FakeLogin = field(default_factory=FakeLogin)

    @property
    def keys(self) -> Keys:
        return Keys(
            access=TokenVault([self.stack.access_token_key], setting="a"),
            refresh=TokenVault([self.stack.refresh_token_key], setting="r"),
            sealing=SealingPrivateKey(self.stack.sealing_private_key),
        )

    def context(self, kind: TokenKind) -> TokenContext:
        return TokenContext(CredentialId(self.credential), kind)

    async def refresh(self, refreshes: Any = None) -> None:
        handler = RefreshHandler(
            refreshes or Refreshes(self.database),
            self.login,
            self.keys,
            lease=timedelta(seconds=60),
            simulator_url="http://127.0.0.1:1",
        )
        await handler(RefreshCredential(credential_id=self.credential))

    async def row(self) -> dict[str, Any]:
        row = await self.database.fetchrow(
            "select * from credentials where id = $1", self.credential
        )
        assert row is not None
        return dict(row)

    async def stored(self) -> Login:
        return await Logins(self.database).login(CredentialId(self.credential))


@pytest.fixture
async def bench(database: Database) -> Bench:
    stack = new_stack_keys()
    made = Bench(database, stack, await make_credential(database, status="new"))
    sealed = SealingPublicKey(stack.sealing_public_key).seal(
        made.context(TokenKind.REFRESH), "Atzr|first"
    )
    await database.execute(
        "update credentials set refresh_token_ciphertext = $2, refresh_token_key_id = $3"
        " where id = $1",
        made.credential,
        *sealed,
    )
    return made


async def test_a_token_sealed_by_the_api_is_opened_and_traded_for_an_access_token(
    bench: Bench,
) -> None:
    await bench.refresh()

    row = await bench.row()
    opened = bench.keys.access.open(
        bench.context(TokenKind.ACCESS), row["access_token_ciphertext"], row["access_token_key_id"]
    )
    assert bench.login.asked == [("Atzr|first", "http://127.0.0.1:1/auth/o2/token")]
    assert opened == "Atza|new"
    assert (row["status"], row["version"], row["refresh_count"]) == ("active", 1, 1)


async def test_the_refresh_token_is_kept_under_the_refresh_key_from_then_on(bench: Bench) -> None:
    await bench.refresh()

    row = await bench.row()
    assert row["refresh_token_key_id"] == bench.keys.refresh.key_id
    await bench.refresh()
    assert [token for token, _ in bench.login.asked] == ["Atzr|first", "Atzr|first"]


async def test_a_new_refresh_token_takes_the_place_of_the_old_one(bench: Bench) -> None:
    bench.login.gives_refresh_token = "Atzr|second"

    await bench.refresh()
    await bench.refresh()

    assert [token for token, _ in bench.login.asked] == ["Atzr|first", "Atzr|second"]


@pytest.mark.parametrize(
    ("lives", "expected"),
    [
        (timedelta(hours=1), 3300),
        (timedelta(seconds=10), 6),
        (timedelta(milliseconds=100), 0.5),
    ],
)
async def test_the_next_refresh_comes_before_the_token_ends(
    bench: Bench, lives: timedelta, expected: float
) -> None:
    bench.login.lives = lives

    await bench.refresh()

    wait = await timer_in(bench.database, "refresh_credential", bench.credential)
    assert wait == pytest.approx(expected, abs=0.5)


async def test_work_that_waited_for_the_token_goes_on_at_once(bench: Bench) -> None:
    account = await make_account(bench.database, credential_id=bench.credential)
    execution = await make_execution(
        bench.database,
        await make_instance(bench.database, account),
        await make_workflow(bench.database),
        "submitting",
    )
    await bench.database.execute(
        "insert into timers (kind, key, due_at)"
        " values ('submit_execution', $1, clock_timestamp() + interval '8 s')",
        str(execution),
    )

    await bench.refresh()

    wait = await timer_in(bench.database, "submit_execution", execution)
    assert wait is not None
    assert wait <= 0


async def test_a_revoked_grant_breaks_the_credential_and_holds_its_instances(
    bench: Bench,
) -> None:
    account = await make_account(bench.database, credential_id=bench.credential)
    instance = await make_instance(bench.database, account)
    await make_execution(bench.database, instance, await make_workflow(bench.database))
    bench.login.errors = [CredentialRevoked("invalid_grant")]

    await bench.refresh()
    await bench.database.fetchval("select admit_instances_v1($1)", [instance.key])

    row = await bench.row()
    assert row["status"] == "broken"
    assert "invalid_grant Authorise again" in row["broken_reason"]
    assert await timer_in(bench.database, "refresh_credential", bench.credential) is None
    assert await in_state(bench.database, "queued") == 1
    with pytest.raises(StaleTransition):
        await bench.refresh()


async def test_a_token_that_no_key_opens_breaks_the_credential_and_says_which(
    bench: Bench,
) -> None:
    await bench.refresh()
    bench.stack = StackKeys(
        access_token_key=bench.stack.access_token_key,
        refresh_token_key=new_fernet_key(),
        sealing_public_key=bench.stack.sealing_public_key,
        sealing_private_key=bench.stack.sealing_private_key,
    )

    await bench.refresh()

    row = await bench.row()
    assert row["status"] == "broken"
    assert "key" in row["broken_reason"]


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        (AmcUnavailable("away", wait=timedelta(seconds=7)), 5, 7),
        (AmcUnavailable("away"), 0, 2),
        (LoginClientRejected("invalid_client"), 55, 60),
    ],
    ids=["with a hint", "without", "our own fault"],
)
async def test_an_amazon_that_does_not_answer_or_refuses_us_is_asked_again(
    bench: Bench, error: AmcflowError, least: float, most: float
) -> None:
    bench.login.errors = [error]

    await bench.refresh()

    wait = await timer_in(bench.database, "refresh_credential", bench.credential)
    assert wait is not None
    assert least < wait <= most
    assert (await bench.row())["status"] == "new"
    await bench.refresh()
    assert (await bench.row())["status"] == "active"


async def test_two_deliveries_make_one_call(bench: Bench) -> None:
    arrived = asyncio.Event()
    go_on = asyncio.Event()

    async def hold() -> None:
        arrived.set()
        await go_on.wait()

    bench.login.on_asked = hold
    first = asyncio.ensure_future(bench.refresh())
    await arrived.wait()

    with pytest.raises(StaleTransition):
        await bench.refresh()

    go_on.set()
    await first
    assert len(bench.login.asked) == 1


async def test_a_worker_that_was_frozen_writes_nothing_over_newer_tokens(bench: Bench) -> None:
    async def be_overtaken() -> None:
        bench.login.on_asked = None
        await bench.database.execute("update credentials set lease_until = '-infinity'")
        await bench.refresh()

    bench.login.on_asked = be_overtaken

    with pytest.raises(StaleTransition):
        await bench.refresh()

    assert (await bench.row())["refresh_count"] == 1


async def test_a_new_grant_that_comes_during_a_refresh_is_not_marked_broken(
    bench: Bench,
) -> None:
    async def authorise_again() -> None:
        await bench.database.execute("update credentials set version = version + 1")

    bench.login.on_asked = authorise_again
    bench.login.errors = [CredentialRevoked("invalid_grant")]

    await bench.refresh()

    assert (await bench.row())["status"] == "new"


async def test_a_database_that_is_away_is_left_to_the_next_delivery(bench: Bench) -> None:
    flaky = Flaky(Refreshes(bench.database), "store_tokens", DatabaseUnavailable("away"))

    with pytest.raises(DatabaseUnavailable):
        await bench.refresh(flaky)

    assert (await bench.row())["version"] == 0


async def test_many_who_find_the_token_expired_ask_once(bench: Bench) -> None:
    logins, login = Logins(bench.database), await bench.stored()

    await asyncio.gather(*(logins.request_refresh(login) for _ in range(16)))

    assert len(await commands(bench.database, "refresh_credential")) == 1


async def test_who_holds_an_old_token_does_not_ask_for_a_newer_one_than_there_is(
    bench: Bench,
) -> None:
    old = await bench.stored()
    await bench.refresh()

    await Logins(bench.database).request_refresh(old)

    assert await commands(bench.database, "refresh_credential") == []


async def test_a_worker_that_was_frozen_does_not_end_the_lease_of_another(bench: Bench) -> None:
    async def frozen_past_its_lease() -> None:
        await bench.database.execute("update credentials set lease_until = clock_timestamp()")
        await Refreshes(bench.database).claim_for_refresh(
            bench.credential, lease=timedelta(seconds=60)
        )

    bench.login.on_asked = frozen_past_its_lease
    bench.login.errors = [AmcUnavailable("away")]

    with pytest.raises(StaleTransition):
        await bench.refresh()

    assert (await bench.row())["lease_until"] > datetime.now(UTC) + timedelta(seconds=50)
