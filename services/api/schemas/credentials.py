"""Credentials: a token goes in and never comes out."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from shared.db.credentials_admin import Credential
from shared.domain.ids import CREDENTIAL_PREFIX, show
from shared.intake.models import Name, Strict
from shared.security.secrets import RefreshToken


class Region(StrEnum):
    """Amazon Ads regions."""

    NA = "NA"
    EU = "EU"
    FE = "FE"


def _check(token: SecretStr) -> SecretStr:
    RefreshToken(token.get_secret_value())
    return token


Token = Annotated[SecretStr, AfterValidator(_check), Field(examples=["Atzr|..."], max_length=4096)]


class CredentialIn(Strict):
    """An authorised Amazon login."""

    name: Name
    refresh_token: Token
    region: Region = Region.NA


class RefreshTokenIn(Strict):
    """What Amazon gave after somebody authorised again."""

    refresh_token: Token


class CredentialOut(BaseModel):
    """What may be seen: `new` until the first refresh, then `active`, or `broken` with a reason."""

    id: str
    name: str
    region: str
    status: str
    broken_reason: str | None
    access_token_expires_at: datetime | None
    refreshed_at: datetime | None
    refresh_count: int
    created_by: str
    created_at: datetime
    updated_at: datetime


def show_credential(credential: Credential) -> CredentialOut:
    return CredentialOut(
        id=show(CREDENTIAL_PREFIX, credential.id),
        name=credential.name,
        region=credential.region,
        status=credential.status,
        broken_reason=credential.broken_reason,
        access_token_expires_at=credential.access_token_expires_at,
        refreshed_at=credential.refreshed_at,
        refresh_count=credential.refresh_count,
        created_by=credential.created_by,
        created_at=credential.created_at,
        updated_at=credential.updated_at,
    )
