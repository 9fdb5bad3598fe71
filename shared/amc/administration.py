"""AMC's administration API: which accounts and instances a login may use.

These calls belong to no instance, so no rate budget covers them; they are made by people
connecting an account, not by the pipeline.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

from shared.amc.attempt import Attempts, Call
from shared.amc.models import (
    AmcAccount,
    AmcInstance,
    Members,
    next_token,
    read_accounts,
    read_instances,
)
from shared.amc.outcomes import judge_read
from shared.amc.retry import Repeat
from shared.domain.errors import AmcUnavailable
from shared.domain.ids import EntityId, MarketplaceId
from shared.security.secrets import AccessToken

Item = TypeVar("Item")

_MAX_PAGES: Final = 100


@dataclass(frozen=True, slots=True)
class AmcAdministration:
    """The administration calls of one region."""

    attempts: Attempts
    base_url: str
    repeat: Repeat = field(default_factory=Repeat)

    async def list_accounts(
        self, token: AccessToken, *, give_up_at: float
    ) -> tuple[AmcAccount, ...]:
        """All accounts of this login; entity and marketplace go with every later call."""
        call = Call("list_accounts", "GET", self.base_url, "/amc/accounts")
        return await self._all(call, token, read_accounts, give_up_at)

    async def list_instances(
        self,
        token: AccessToken,
        *,
        entity_id: EntityId,
        marketplace_id: MarketplaceId,
        give_up_at: float,
    ) -> tuple[AmcInstance, ...]:
        """All instances of one account."""
        call = Call(
            "list_instances",
            "GET",
            self.base_url,
            "/amc/instances",
            entity_id=entity_id,
            marketplace_id=marketplace_id,
        )
        return await self._all(call, token, read_instances, give_up_at)

    async def _all(
        self,
        call: Call,
        token: AccessToken,
        read: Callable[[Members], tuple[Item, ...]],
        give_up_at: float,
    ) -> tuple[Item, ...]:
        judge = judge_read(lambda body: (read(body), next_token(body)))
        items: list[Item] = []
        for _ in range(_MAX_PAGES):
            page, following = await self.repeat.run(
                partial(self.attempts.make, call, token, judge, permit=None, give_up_at=give_up_at),
                give_up_at=give_up_at,
            )
            items += page
            if following is None:
                return tuple(items)
            call = replace(call, query={"nextToken": following})
        raise AmcUnavailable(f"{call.name}: more than {_MAX_PAGES} pages.")
