"""Accounts as they come in and go out."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from shared.db.accounts import Account
from shared.domain.ids import ACCOUNT_PREFIX, CREDENTIAL_PREFIX, show
from shared.intake.models import Name, Strict, Text

AmazonId = Annotated[
    str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
]
"""Travels in URLs and headers to AMC, so it has no other characters."""
Concurrency = Annotated[int, Field(ge=1, le=100_000)]


class AccountIn(Strict):
    """An advertiser account at Amazon."""

    entity_id: AmazonId
    marketplace_id: AmazonId
    name: Name | None = None
    credential_id: Annotated[Text, Field(max_length=200)] | None = None
    max_concurrent_executions: Concurrency = 200


class AccountPatch(Strict):
    """What is left out stays."""

    name: Name | None = None
    credential_id: Annotated[Text, Field(max_length=200)] | None = None
    max_concurrent_executions: Concurrency | None = None


class AccountOut(BaseModel):
    """An account."""

    id: str
    entity_id: str
    marketplace_id: str
    name: str
    credential_id: str | None
    max_concurrent_executions: int
    created_at: datetime


def show_account(account: Account) -> AccountOut:
    return AccountOut(
        id=show(ACCOUNT_PREFIX, account.public_id),
        entity_id=account.entity_id,
        marketplace_id=account.marketplace_id,
        name=account.name,
        credential_id=account.credential_id and show(CREDENTIAL_PREFIX, account.credential_id),
        max_concurrent_executions=account.max_concurrent_executions,
        created_at=account.created_at,
    )
