"""Authorised Amazon logins. A refresh token is sealed before anything else happens to it."""

import hashlib
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from services.api.dependencies import CredentialId, Key, State, Who
from services.api.paging import AskedPage, Page, read_uuid, wrap
from services.api.schemas.credentials import (
    CredentialIn,
    CredentialOut,
    RefreshTokenIn,
    show_credential,
)
from services.api.state import ApiState
from shared.db.credentials_admin import NewCredential
from shared.db.workflows import BEFORE_ALL
from shared.domain import ids
from shared.intake.idempotency import Remember
from shared.security.tokens import Sealed, TokenContext, TokenKind

router = APIRouter(prefix="/credentials", tags=["credentials"])

_LIST = "credentials"


@router.post("", status_code=HTTPStatus.CREATED)
async def create_credential(
    *, body: CredentialIn, state: State, who: Who, key: Key, response: Response
) -> CredentialOut:
    """Store an authorised login. Its first access token is fetched at once."""
    token = body.refresh_token.get_secret_value()

    async def work(remember: Remember[CredentialOut]) -> CredentialOut:
        credential_id = ids.new_uuid()
        sealed = _seal(state, credential_id, token)
        new = NewCredential(
            id=credential_id,
            name=body.name,
            region=body.region.value,
            ciphertext=sealed.ciphertext,
            key_id=sealed.key_id,
            created_by=who.owner,
        )
        row = await state.credentials.create(new, lambda row: remember(show_credential(row)))
        return show_credential(row)

    # The body shows stars for the token, so the key's hash gets the token's own.
    asked = key.of("create_credential", hashlib.sha256(token.encode()).hexdigest(), body)
    created = await state.once.answer(asked, CredentialOut, work)
    state.wake_relay()
    response.headers["Location"] = f"/api/v1/credentials/{created.id}"
    return created


@router.get("")
async def list_credentials(
    state: State,
    paging: AskedPage,
) -> Page[CredentialOut]:
    """All credentials with their status, newest first."""
    after = read_uuid(paging.cursor, _LIST, first=BEFORE_ALL)
    rows = await state.credentials.page(after=after, limit=paging.fetch)
    return paging.page(rows, show_credential, lambda row: wrap(_LIST, row.id))


@router.get("/{credential_id}")
async def read_credential(credential_id: CredentialId, state: State) -> CredentialOut:
    """One credential's status; no token is ever shown."""
    return show_credential(await state.credentials.get(credential_id))


@router.put("/{credential_id}/refresh_token")
async def replace_refresh_token(
    credential_id: CredentialId, body: RefreshTokenIn, state: State
) -> CredentialOut:
    """Somebody authorised again: the credential is `new` once more and used at once."""
    sealed = _seal(state, credential_id, body.refresh_token.get_secret_value())
    row = await state.credentials.replace_refresh_token(
        credential_id, ciphertext=sealed.ciphertext, key_id=sealed.key_id
    )
    state.wake_relay()
    return show_credential(row)


def _seal(state: ApiState, credential_id: UUID, token: str) -> Sealed:
    context = TokenContext(ids.CredentialId(credential_id), TokenKind.REFRESH)
    return state.seal.seal(context, token)
