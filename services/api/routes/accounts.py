"""Advertiser accounts."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from services.api.dependencies import AccountId, Key, State
from services.api.paging import AskedPage, Page, read_number, wrap
from services.api.schemas.accounts import AccountIn, AccountOut, AccountPatch, show_account
from services.api.state import ApiState
from shared.db.accounts import Account, NewAccount
from shared.domain.ids import CREDENTIAL_PREFIX, new_uuid, read
from shared.intake.idempotency import Remember

router = APIRouter(prefix="/accounts", tags=["accounts"])

_LIST = "accounts"


@router.post("", status_code=HTTPStatus.CREATED)
async def create_account(body: AccountIn, state: State, key: Key, response: Response) -> AccountOut:
    """Register an advertiser account: its entity id and marketplace go into AMC's headers."""
    credential = await _credential(state, body.credential_id)

    async def work(remember: Remember[AccountOut]) -> AccountOut:
        new = NewAccount(
            public_id=new_uuid(),
            entity_id=body.entity_id,
            marketplace_id=body.marketplace_id,
            name=body.name or body.entity_id,
            credential_id=credential,
            max_concurrent_executions=body.max_concurrent_executions,
        )
        account = await state.accounts.create(new, lambda row: remember(show_account(row)))
        return show_account(account)

    created = await state.once.answer(key.of("create_account", "", body), AccountOut, work)
    response.headers["Location"] = f"/api/v1/accounts/{created.id}"
    return created


@router.get("")
async def list_accounts(
    state: State,
    paging: AskedPage,
) -> Page[AccountOut]:
    """All accounts, oldest first."""
    rows = await state.accounts.page(after=read_number(paging.cursor, _LIST), limit=paging.fetch)
    return paging.page(rows, show_account, lambda row: wrap(_LIST, row.key))


@router.get("/{account_id}")
async def read_account(account_id: AccountId, state: State) -> AccountOut:
    """One account."""
    return show_account(await state.accounts.get(account_id))


@router.patch("/{account_id}")
async def change_account(account_id: AccountId, body: AccountPatch, state: State) -> AccountOut:
    """Change its name, credential or limit; what may run now starts at once."""
    credential = await _credential(state, body.credential_id)
    account = await state.accounts.update(account_id, name=body.name, credential_id=credential)
    if body.max_concurrent_executions is not None:
        await state.control.change_account_limit(account.key, body.max_concurrent_executions)
    elif credential is not None:
        await state.control.admit(await state.accounts.instances_of(account.key))
    state.wake_relay()
    return show_account(await _again(state, account))


async def _again(state: ApiState, account: Account) -> Account:
    return await state.accounts.get(account.public_id)


async def _credential(state: ApiState, text: str | None) -> UUID | None:
    """The id, once it is sure that there is such a credential."""
    if text is None:
        return None
    found = await state.credentials.get(read(CREDENTIAL_PREFIX, text, what="credential"))
    return found.id
